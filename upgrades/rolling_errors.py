"""Why a run rests between two hosts, and what may not be left out or tried again (4054 to 4059)."""

from __future__ import annotations

from sysmgr.errors import SysmgrError


class PrecheckHolds(SysmgrError):
    scode = 4054
    status = 409
    message = "Prechecks hold the run up: {problems}."
    message_cn = "预检查未通过，任务已暂停：{problems_cn}。"
    next_step = (
        "Nothing was changed. Mend it, or pass over a check with upgrade/waive, or leave the host out with "
        "upgrade/skip; then call upgrade/resume, which checks again."
    )
    next_step_cn = (
        "未做任何更改。请修复，或用 upgrade/waive 豁免某项检查，或用 upgrade/skip 跳过主机；然后调用 upgrade/resume，"
        "系统将重新检查。"
    )


class RebootRequired(SysmgrError):
    scode = 4055
    status = 409
    message = "The step {step} on {host} needs a reboot before it can go on."
    message_cn = "主机 {host} 需要重启后才能继续步骤 {step}。"
    next_step = "Reboot the host; when it answers again, call upgrade/resume, which goes on with that step."
    next_step_cn = "请重启该主机；待其恢复后调用 upgrade/resume，将从该步骤继续。"


class GateRed(SysmgrError):
    scode = 4056
    status = 409
    message = "No further host is begun: {reason}."
    message_cn = "不再开始新的主机：{reason}。"
    next_step = "When it is mended, upgrade/resume asks again; upgrade/cancel ends the run."
    next_step_cn = "修复后调用 upgrade/resume 将再次检查；upgrade/cancel 结束任务。"


class WindowOver(SysmgrError):
    scode = 4057
    status = 409
    message = "The window of the run ended at {end}: no further host is begun."
    message_cn = "任务的时间窗口已于 {end} 结束：不再开始新的主机。"
    next_step = "upgrade/resume goes on now, without a window; upgrade/cancel ends the run."
    next_step_cn = "调用 upgrade/resume 将立即继续且不再受窗口限制；upgrade/cancel 结束任务。"


class HostUnderWay(SysmgrError):
    scode = 4058
    status = 409
    message = "Something has begun on {host} that must be brought to its end first: {items}."
    message_cn = "主机 {host} 上有已开始的项目，必须先完成：{items}。"
    next_step = "Call upgrade/resume, and skip the host, if it must be, when that has ended."
    next_step_cn = "请调用 upgrade/resume；待其结束后再跳过该主机。"


class OnlyDefinite(SysmgrError):
    scode = 4059
    status = 409
    message = "Trying again alone does not mend what failed in the run or was left out of it: {items}."
    message_cn = "该任务中失败或被跳过的项仅靠重试无法解决：{items}。"
    next_step = "Mend the named reasons, then call upgrade/retry with force: true."
    next_step_cn = "请先解决所列原因，再以 force: true 调用 upgrade/retry。"
