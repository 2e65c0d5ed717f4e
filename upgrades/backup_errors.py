"""Errors of backups, restores and rollbacks (4070 to 4089)."""

from __future__ import annotations

from sysmgr.errors import BadRequest, SysmgrError


class BackupRefused(BadRequest):
    message = "The request is refused: {problem}."
    message_cn = "请求被拒绝：{problem_cn}。"
    next_step = "Nothing was started; compute/version/list and upgrade_package/list show what is there."
    next_step_cn = "未启动任何操作；可通过 compute/version/list 与 upgrade_package/list 查看现有内容。"


class BackupNotFound(SysmgrError):
    scode = 4070
    status = 404
    message = "The host has no complete backup {name}."
    message_cn = "主机上没有完整的备份 {name}。"
    next_step = "compute/version/list shows those that are there."
    next_step_cn = "可通过 compute/version/list 查看现有备份。"


class BackupInUse(SysmgrError):
    scode = 4071
    status = 409
    message = "The backup {name} is used by a run that is not over: {run}."
    message_cn = "备份 {name} 正被未结束的任务使用：{run}。"
    next_step = "Wait for that run to end, or cancel it; upgrade/inspect shows it."
    next_step_cn = "请等待该任务结束或将其取消；可通过 upgrade/inspect 查看。"


class BackupIsWayBack(SysmgrError):
    scode = 4072
    status = 409
    message = "The backup {name} holds the release before the one that {host} runs now: it is the way back."
    message_cn = "备份 {name} 保存的是主机 {host} 当前版本的前一版本，是回退的唯一途径。"
    next_step = "It can be removed after the next change of that service, which makes a backup of its own."
    next_step_cn = "该服务下次变更（会生成新的备份）之后即可删除。"


class RollbackRefused(SysmgrError):
    scode = 4073
    status = 409
    message = "The run can't be taken back: {problems}."
    message_cn = "该任务无法回退：{problems_cn}。"
    next_step = "Nothing was started; name the others in `list`, or bring a backup back by compute/version/restore."
    next_step_cn = "未启动任何操作；请在 `list` 中只列出其余项目，或使用 compute/version/restore 恢复备份。"


class RunUnderWay(SysmgrError):
    scode = 4074
    status = 409
    message = "The run is {state}: what it does can't be taken back meanwhile."
    message_cn = "任务状态为 {state}，期间无法回退。"
    next_step = "Pause it or cancel it first, or wait for its end; upgrade/inspect shows it."
    next_step_cn = "请先暂停或取消该任务，或等待其结束；可通过 upgrade/inspect 查看。"


class BackupDamaged(SysmgrError):
    scode = 4075
    status = 409
    message = "The backup {name} on {host} is not what was written: {reason}."
    message_cn = "主机 {host} 上的备份 {name} 与写入时不一致：{reason_cn}。"
    next_step = "Look at that host's disk, and make a new backup by compute/version/backup."
    next_step_cn = "请检查该主机的磁盘，并通过 compute/version/backup 重新备份。"


class HostTooSlow(SysmgrError):
    scode = 4076
    status = 504
    message = "The host {host} did not answer within {seconds} s."
    message_cn = "主机 {host} 未在 {seconds} 秒内响应。"
    next_step = "It may be busy with a run, or the backup is very large: try again later."
    next_step_cn = "主机可能正在执行任务，或备份较大：请稍后重试。"
