"""Errors of the package store and of upgrades (4xxx from 4030; the package format has those before)."""

from __future__ import annotations

from sysmgr.errors import BadRequest, SysmgrError


class NoCurrentPackage(SysmgrError):
    scode = 4030
    status = 404
    message = "No upgrade has succeeded here yet, and no stored package has the version that the hosts report."
    message_cn = "尚无成功的升级，且没有与主机当前版本一致的升级包。"
    next_step = "See /v1/system/upgrade_package/list for the packages at hand."
    next_step_cn = "可通过 /v1/system/upgrade_package/list 查看现有升级包。"


class PackageExists(SysmgrError):
    scode = 4031
    status = 409
    message = "The store has another package {name}: its digest differs."
    message_cn = "已存在同名升级包 {name}，但摘要不同。"
    next_step = "Give the new package a version of its own."
    next_step_cn = "请为新升级包使用新的版本号。"


class NoSpaceForPackage(SysmgrError):
    scode = 4032
    status = 507
    message = "The disk is too full to take the package in."
    message_cn = "磁盘空间不足，无法接收升级包。"
    next_step = "Free space below the data directory and send it again."
    next_step_cn = "请清理数据目录所在磁盘后重试。"


class PackageNameWrong(BadRequest):
    message = "The file is named {name}, but the package inside is {expected}."
    message_cn = "文件名为 {name}，但其中的升级包为 {expected}。"
    next_step = "Send it under its own name."
    next_step_cn = "请使用正确的文件名。"


class StepFailed(SysmgrError):
    scode = 4040
    status = 502
    message = "The step {step} failed on {host}: {reason}."
    message_cn = "主机 {host} 上的步骤 {step} 失败：{reason}。"
    next_step = "See docs/host-script.md for the reason, and the task's log on the host below .sysmgr/tasks/."
    next_step_cn = "原因说明见 docs/host-script.md，日志位于主机的 .sysmgr/tasks/ 下。"


class PrecheckFailed(SysmgrError):
    scode = 4041
    status = 409
    message = "The precheck {check} failed on {host}: {reason}."
    message_cn = "主机 {host} 的预检查 {check} 未通过：{reason}。"
    next_step = "Mend it and start the upgrade again; nothing was changed."
    next_step_cn = "请修复后重新发起升级；未做任何更改。"


class PackageUnusable(SysmgrError):
    scode = 4042
    status = 409
    message = "The package {name} in the store is not what was taken in: {reason}."
    message_cn = "存储的升级包 {name} 与接收时不一致：{reason}。"
    next_step = "Take the package in again and start the upgrade anew."
    next_step_cn = "请重新导入升级包后再次发起升级。"


class HostUnreachable(SysmgrError):
    scode = 4043
    status = 502
    message = "The host {host} can't be reached: {reason}."
    message_cn = "无法访问主机 {host}：{reason}。"
    next_step = "Check the host and start the upgrade again."
    next_step_cn = "请检查主机后重新发起升级。"


class Unproven(SysmgrError):
    scode = 4044
    status = 502
    message = "On {host} neither the new nor the old release of {service} can be proven: {reason}."
    message_cn = "主机 {host} 上 {service} 的新旧版本均无法确认：{reason}。"
    next_step = "A person has to look: compare current with the backup and the markers below .sysmgr/tasks/."
    next_step_cn = "需要人工处理：请对照备份与 .sysmgr/tasks/ 下的标记检查 current。"


class ItemsFailed(SysmgrError):
    scode = 4045
    status = 409
    message = "{count} of {all} host services failed; those not begun were skipped."
    message_cn = "{all} 个主机服务中有 {count} 个失败；未开始的已跳过。"
    next_step = "Each item of upgrade/inspect says why and what to do."
    next_step_cn = "upgrade/inspect 中的每一项说明了原因和处理方法。"


class UpgradeRefused(BadRequest):
    message = "The upgrade is refused: {problems}."
    message_cn = "升级被拒绝：{problems_cn}。"
    next_step = "Nothing was started; correct the named items and send the list again."
    next_step_cn = "未启动任何操作；请更正所列项目后重新发送。"


class HostHeld(SysmgrError):
    scode = 4046
    status = 409
    message = "A host is held by another run: {run}."
    message_cn = "主机正被其他升级任务占用：{run}。"
    next_step = "Wait for that run to end; upgrade/inspect shows it."
    next_step_cn = "请等待该任务结束；可通过 upgrade/inspect 查看。"


class RunNotFound(SysmgrError):
    scode = 4047
    status = 404
    message = "There is no such upgrade."
    message_cn = "升级任务不存在。"
    next_step = "upgrade/list shows them."
    next_step_cn = "可通过 upgrade/list 查看。"
