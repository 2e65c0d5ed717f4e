"""The closed list of reasons why an item failed: whether trying again may help, and what to do next."""

from __future__ import annotations

from typing import Any, NamedTuple

from sysmgr.errors import SysmgrError

_TEXT = 1024


class Reason(NamedTuple):
    """A definite one is decided by the package, the backup or who owns the host: the same again ends the same way.
    All others may pass, or be mended on the host; `upgrade/retry` tries those without being told to insist."""

    key: str
    definite: bool
    todo: str
    todo_cn: str


_ALL = (
    # Said by the host-side script: `error <key> <detail>`.
    Reason(
        "usage",
        True,
        "The host got a call that its marks do not allow: compare the versions of manager and script, and the marks "
        "below .sysmgr/tasks/; then start a new upgrade.",
        "主机收到与其标记不符的调用：请核对管理器与脚本的版本及 .sysmgr/tasks/ 下的标记，然后发起新的升级。",
    ),
    Reason(
        "fenced",
        True,
        "A manager with a higher term was at this host: find out which installations drive it, and leave only one.",
        "有任期更高的管理器操作过该主机：请查明有哪些安装在操作它，并只保留一套。",
    ),
    Reason(
        "foreign_cluster",
        True,
        "Another installation owns this host. If it is to be yours, take it over: manage.py host_take_over.",
        "该主机属于另一套安装。如需接管，请使用 manage.py host_take_over。",
    ),
    Reason(
        "busy_task",
        True,
        "Its owner has an upgrade under way there: let that one end, or take the host over with force.",
        "其所有者在该主机上有进行中的升级：请等待其结束，或强制接管。",
    ),
    Reason(
        "lock_busy",
        False,
        "Another call, or a command of an earlier one, still runs on the host: wait for its end, then upgrade/retry.",
        "主机上仍有其他调用或先前的命令在运行：请等待其结束，然后调用 upgrade/retry。",
    ),
    Reason(
        "no_space",
        False,
        "Make room on the disk of the host's folder, then upgrade/retry.",
        "请在主机目录所在磁盘上腾出空间，然后调用 upgrade/retry。",
    ),
    Reason(
        "io_error",
        False,
        "The disk is read-only, damaged, or closed for the script's user: mend it on the host, then upgrade/retry.",
        "磁盘只读、损坏，或脚本用户无权访问：请在主机上修复，然后调用 upgrade/retry。",
    ),
    Reason(
        "not_managed",
        True,
        "The service's `current` is no link to a release: adopt the service with host/adopt, then start a new upgrade.",
        "服务的 current 不是指向版本的链接：请用 host/adopt 纳管该服务，然后发起新的升级。",
    ),
    Reason(
        "digest_mismatch",
        True,
        "Files are not what package or backup list: look at the host's disk and at who else writes there; then "
        "upgrade/retry with force.",
        "文件与升级包或备份所列不符：请检查主机磁盘以及是否有其他程序写入；然后以 force 调用 upgrade/retry。",
    ),
    Reason(
        "hook_failed",
        False,
        "The step's log shows what the package's command said: mend that, then upgrade/retry; or bring a package "
        "whose command works.",
        "步骤日志中有升级包命令的输出：请修复后调用 upgrade/retry，或使用命令正常的升级包。",
    ),
    Reason(
        "hook_timeout",
        False,
        "A command of the package ran too long: see the step's log; free the host of load and upgrade/retry, or bring "
        "a package that gives it more time.",
        "升级包的命令运行超时：请查看步骤日志；降低主机负载后调用 upgrade/retry，或使用时限更长的升级包。",
    ),
    Reason(
        "name_taken",
        False,
        "A backup of that name is somebody else's: remove it from the host's backups, or upgrade/retry a minute later.",
        "该名称的备份属于他人：请从主机的备份目录移除，或一分钟后调用 upgrade/retry。",
    ),
    Reason(
        "unproven",
        True,
        "A person has to look: compare `current` with the backup and the marks below .sysmgr/tasks/; see Recovering by "
        "hand in docs/upgrades.md.",
        "需要人工处理：请对照备份与 .sysmgr/tasks/ 下的标记检查 current；见 docs/upgrades.md 的人工恢复一节。",
    ),
    Reason(
        "hooks_unknown",
        True,
        "Nobody knows how to stop or start one of the two releases: bring the task's folder back to the host, or go "
        "another way, step by step.",
        "无法得知其中一个版本的启停命令：请将任务目录恢复到主机，或逐步改用其他路径。",
    ),
    Reason(
        "reboot_required",
        False,
        "Reboot the host; when it answers again, upgrade/resume goes on with that step.",
        "请重启该主机；待其恢复后调用 upgrade/resume，将从该步骤继续。",
    ),
    Reason(
        "adopt_refused",
        True,
        "The installation can't be adopted as it is: the message names what stands against it; change that, or name "
        "another source_path or version.",
        "现有安装无法按此纳管：消息列出了原因；请更改，或指定其他 source_path 或 version。",
    ),
    # Said by the manager.
    Reason(
        "unreachable",
        False,
        "Check power, network and the address of the host, then upgrade/retry; or leave it out with upgrade/skip.",
        "请检查主机的电源、网络与地址，然后调用 upgrade/retry；或用 upgrade/skip 跳过该主机。",
    ),
    Reason(
        "host_key_changed",
        True,
        "Nothing was run. If the host was set up anew, pin its new key with host/repin; if not, somebody stands "
        "between: find out first.",
        "未执行任何操作。若主机已重装，请用 host/repin 固定新密钥；否则可能存在中间人，请先查明。",
    ),
    Reason(
        "authentication_refused",
        True,
        "Put the manager's public key (host/list shows it) into the authorized keys of the host's SSH user, and check "
        "sudo where it is configured; then upgrade/retry with force.",
        "请将管理器公钥（见 host/list）加入主机 SSH 用户的授权密钥，并检查 sudo 配置；"
        "然后以 force 调用 upgrade/retry。",
    ),
    Reason(
        "host_key_missing",
        False,
        "Nobody was asked. Look at the host's key with host/probe and accept its fingerprint, then upgrade/retry.",
        "未访问该主机。请用 host/probe 查看其密钥并接受指纹，然后调用 upgrade/retry。",
    ),
    Reason(
        "sudo_refused",
        False,
        "Let the host's SSH user run sh by sudo without a password and without a terminal (docs/hosts.md), then "
        "upgrade/retry.",
        "请允许主机的 SSH 用户无需密码和终端即可通过 sudo 运行 sh（见 docs/hosts.md），然后调用 upgrade/retry。",
    ),
    Reason(
        "ssh_key_unusable",
        False,
        "No host was asked. Mend the manager's own SSH key (manage.py ssh_key tells of it), then upgrade/retry.",
        "未访问任何主机。请修复管理器自身的 SSH 密钥（见 manage.py ssh_key），然后调用 upgrade/retry。",
    ),
    Reason(
        "package_unusable",
        True,
        "Take the package in again, then upgrade/retry with force, or start the upgrade anew.",
        "请重新导入升级包，然后以 force 调用 upgrade/retry，或重新发起升级。",
    ),
    Reason(
        "backup_gone",
        True,
        "The backup is there no more: choose another one of compute/version/list and start a new restore.",
        "备份已不存在：请从 compute/version/list 选择其他备份并发起新的恢复。",
    ),
    Reason(
        "protocol_differs",
        True,
        "The host's script speaks another protocol: bring manager and host to the same version of sysmgr.",
        "主机脚本的协议版本不同：请使管理器与主机使用相同版本的 sysmgr。",
    ),
    Reason(
        "tools_missing",
        False,
        "Install the named tools on the host, then start again; upgrade/waive passes over this check.",
        "请在主机上安装所列工具后重试；可用 upgrade/waive 豁免此检查。",
    ),
    Reason(
        "version_differs",
        True,
        "The host runs another version than is recorded: host/probe reads it anew; then start a new upgrade.",
        "主机运行的版本与记录不同：请用 host/probe 重新读取，然后发起新的升级。",
    ),
    Reason(
        "unhealthy_before",
        False,
        "The service was unwell before anything was changed: mend it, then upgrade/retry; or pass over this check with "
        "upgrade/waive.",
        "更改之前服务已不健康：请修复后调用 upgrade/retry；可用 upgrade/waive 豁免。",
    ),
    Reason(
        "unhealthy_after",
        False,
        "The new release was not healthy and was taken back: see the step's log and the service's own, then "
        "upgrade/retry, or bring another package.",
        "新版本不健康，已回退：请查看步骤日志与服务日志，然后调用 upgrade/retry，或使用其他升级包。",
    ),
    Reason(
        "probe_unusable",
        False,
        "The cluster's probe of the service can't be asked: mend the probe with cluster/update, or its command on the "
        "manager, then upgrade/retry.",
        "无法执行该服务的集群探测：请用 cluster/update 修正探测，或修复管理器上的命令，然后调用 upgrade/retry。",
    ),
    Reason(
        "soak_failed",
        False,
        "The service did not stay well while it was watched and was taken back: see the step's log and the service's "
        "own, then upgrade/retry, or bring another package.",
        "观察期内服务未能保持健康，已回退：请查看步骤日志与服务日志，然后调用 upgrade/retry，或使用其他升级包。",
    ),
    Reason(
        "undrain_failed",
        False,
        "The service is where it belongs but gets no work: see the step's log, and give it work again by hand.",
        "服务已处于应有的版本，但未恢复接收工作：请查看步骤日志，并手动恢复。",
    ),
    Reason(
        "drain_failed",
        False,
        "The service could not be drained: see the step's log, mend it, then upgrade/retry.",
        "服务无法排空：请查看步骤日志，修复后调用 upgrade/retry。",
    ),
    Reason("unexpected", False, "", ""),
)
REASONS = {reason.key: reason for reason in _ALL}
UNEXPECTED = REASONS["unexpected"]
# Errors that mean one reason, by the class's name: they live in rooms that this one must not know.
_BY_ERROR = {
    "PackageUnusable": "package_unusable",
    "PackageDigestWrong": "package_unusable",
    "PackageNotWritten": "package_unusable",
    "RebootRequired": "reboot_required",
    "HostUnreachable": "unreachable",
    "Unproven": "unproven",
    "ServiceUnwell": "unhealthy_after",
    "SoakFailed": "soak_failed",
    "UndrainFailed": "undrain_failed",
    "ProbeUnusable": "probe_unusable",
}
_BY_CHECK = {
    "reachable": "unreachable",
    "protocol": "protocol_differs",
    "tools": "tools_missing",
    "writable": "io_error",
    "managed": "not_managed",
    "version": "version_differs",
    "disk_space": "no_space",
    "health": "unhealthy_before",
}


def of(error: SysmgrError) -> Reason:
    """Return why an item failed: what the error names itself, what the host said, what kind of error it is."""
    said = str(error.params.get("reason", "")).partition(" ")[0]
    check = _BY_CHECK.get(str(error.params.get("check", "")), "")
    # An unproven end tells in its reason what the rollback said; a silent host, in its own words, why.
    by_error = _BY_ERROR.get(error.name(), "")
    for key in (error.params.get("key", ""), by_error, check, said):
        if key in REASONS:
            return REASONS[key]
    return UNEXPECTED


def told_of(error: SysmgrError) -> dict[str, Any]:
    """Return the columns by which an item tells why it failed; the texts end with what to do next."""
    reason = of(error)
    text, text_cn = error.text, error.text_cn
    if reason.todo:
        text = f"{error.message.format(**error.params)} {reason.todo}"
        text_cn = f"{error.message_cn.format(**error.params)}{reason.todo_cn}"
    return {
        "scode": error.scode,
        "message": text[:_TEXT],
        "message_cn": text_cn[:_TEXT],
        "reason": reason.key,
        "definite": reason.definite,
    }
