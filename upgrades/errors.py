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


class PackageNotFound(SysmgrError):
    scode = 4033
    status = 404
    message = "The store has no package {name}."
    message_cn = "存储中没有升级包 {name}。"
    next_step = "upgrade_package/list shows those that are there."
    next_step_cn = "可通过 upgrade_package/list 查看现有升级包。"


class PackageInUse(SysmgrError):
    scode = 4034
    status = 409
    message = "The package {name} is used by a run that is not over: {run}."
    message_cn = "升级包 {name} 正被未结束的任务使用：{run}。"
    next_step = "Wait for that run to end, or cancel it; upgrade/inspect shows it."
    next_step_cn = "请等待该任务结束或将其取消；可通过 upgrade/inspect 查看。"


class TrustedKeyNotFound(SysmgrError):
    scode = 4035
    status = 404
    message = "No key with the fingerprint {fingerprint} is trusted there."
    message_cn = "此范围内没有指纹为 {fingerprint} 的受信任密钥。"
    next_step = "upgrade_package/trust/list shows the trusted keys and where each is trusted."
    next_step_cn = "可通过 upgrade_package/trust/list 查看受信任的密钥及其范围。"


class TrustedKeyExists(SysmgrError):
    scode = 4036
    status = 409
    message = "This key is trusted there already, as `{name}` and with another name or end."
    message_cn = "该密钥已受信任（名称 `{name}`），但名称或到期时间不同。"
    next_step = "Remove it first to change its name or its end."
    next_step_cn = "如需修改名称或到期时间，请先移除该密钥。"


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
    next_step = "Check the power, network and address of the host, then ask again."
    next_step_cn = "请检查主机的电源、网络和地址，然后重试。"


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


class RunStateWrong(SysmgrError):
    scode = 4048
    status = 409
    message = "The run is {state}: {call} is not possible."
    message_cn = "任务状态为 {state}，无法执行 {call}。"
    next_step = "upgrade/inspect shows what it does, and its next_step what can be called."
    next_step_cn = "可通过 upgrade/inspect 查看任务状态，next_step 说明可执行的操作。"


class NothingToRetry(SysmgrError):
    scode = 4049
    status = 409
    message = "Nothing of the run failed or was skipped: there is nothing to try again."
    message_cn = "该任务没有失败或跳过的项目，无需重试。"
    next_step = "Let a paused run go on with upgrade/resume."
    next_step_cn = "已暂停的任务请使用 upgrade/resume 继续。"


class OnlyUnproven(SysmgrError):
    scode = 4050
    status = 409
    message = "What failed in the run is unproven, and sysmgr does not try that again: {items}."
    message_cn = "该任务中失败的项目状态无法确认，系统不会自动重试：{items}。"
    next_step = (
        "A person has to look: bring each service to a release that is proven, then start a new upgrade; the marks "
        "lie below .sysmgr/tasks/ on the host."
    )
    next_step_cn = "需要人工处理：请先将各服务恢复到可确认的版本，再发起新的升级；标记位于主机的 .sysmgr/tasks/ 下。"


class GoingOnRefused(SysmgrError):
    scode = 4051
    status = 409
    message = "The run can't go on: {problems}."
    message_cn = "该任务无法继续：{problems_cn}。"
    next_step = "Nothing was changed; mend what is named, or start a new upgrade."
    next_step_cn = "未做任何更改；请处理所列问题，或发起新的升级。"


class PlanChanged(SysmgrError):
    scode = 4052
    status = 409
    message = "What the upgrade would do is not what was planned: versions, packages or options changed."
    message_cn = "升级内容与计划不一致：版本、升级包或选项已变化。"
    next_step = "Nothing was started; call upgrade/plan again, look at it, and send its fingerprint."
    next_step_cn = "未启动任何操作；请重新调用 upgrade/plan，确认后发送新的指纹。"


class ThresholdReached(SysmgrError):
    scode = 4053
    status = 409
    message = "{count} of {all} host services failed: no further one is begun."
    message_cn = "{all} 个主机服务中有 {count} 个失败：不再开始新的项目。"
    next_step = (
        "Each item says why. A paused run: mend it and call upgrade/retry, or go on with the rest by upgrade/resume, "
        "or end it by upgrade/cancel. A failed one is taken back by the run that rollback_uuid names."
    )
    next_step_cn = (
        "每一项说明了原因。任务暂停时：修复后调用 upgrade/retry，或用 upgrade/resume 继续其余项目，或用 upgrade/cancel "
        "结束任务。任务失败时：由 rollback_uuid 所指任务回退。"
    )
