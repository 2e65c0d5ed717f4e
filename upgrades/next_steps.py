"""Which call goes on from the state of a run, in both languages."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from .models import UpgradeRun

State = UpgradeRun.State
By = UpgradeRun.PausedBy
_PAUSED_BY = {
    By.THRESHOLD: (
        "Each failed item says why. When it is mended, upgrade/retry tries what failed again; upgrade/resume goes on "
        "with the rest; upgrade/cancel ends the run.",
        "失败的各项说明了原因。修复后可用 upgrade/retry 重试失败项；用 upgrade/resume 继续其余项目；"
        "用 upgrade/cancel 结束任务。",
    ),
    By.PRECHECK: (
        "Mend what the message names, or pass over a check with upgrade/waive, or leave a host out with upgrade/skip; "
        "then upgrade/resume checks again. upgrade/cancel ends the run; nothing was changed.",
        "请修复所列问题，或用 upgrade/waive 豁免检查，或用 upgrade/skip 跳过主机；然后用 upgrade/resume 重新检查。"
        "upgrade/cancel 结束任务；未做任何更改。",
    ),
    By.GATE: (
        "When what the message names is mended, upgrade/resume asks again; upgrade/cancel ends the run.",
        "修复所列问题后，用 upgrade/resume 再次检查；用 upgrade/cancel 结束任务。",
    ),
    By.WINDOW: (
        "upgrade/resume goes on now, without a window; upgrade/cancel ends the run.",
        "用 upgrade/resume 立即继续且不再受窗口限制；用 upgrade/cancel 结束任务。",
    ),
    By.PAUSE_POINT: (
        "Look at the hosts that are done; then upgrade/resume goes on, upgrade/cancel ends the run.",
        "请检查已完成的主机；然后用 upgrade/resume 继续，或用 upgrade/cancel 结束任务。",
    ),
    By.REBOOT: (
        "Reboot the host that the message names. When it answers again, upgrade/resume goes on with it; upgrade/cancel "
        "takes it back to its old release and ends the run.",
        "请重启所列主机。待其恢复后，用 upgrade/resume 继续；用 upgrade/cancel 将其恢复到旧版本并结束任务。",
    ),
}
_STEPS = {
    State.PAUSING: (
        "What has begun is brought to its end, then the run is paused. upgrade/resume lets it go on, upgrade/cancel "
        "ends it.",
        "已开始的项目完成后任务将暂停。用 upgrade/resume 继续，用 upgrade/cancel 结束任务。",
    ),
    State.PAUSED: (
        "upgrade/resume lets it go on, upgrade/cancel ends it; the hosts stay held until then.",
        "用 upgrade/resume 继续，用 upgrade/cancel 结束任务；在此之前主机保持占用。",
    ),
    State.CANCELLING: (
        "What has begun is brought to its end, then the run is cancelled.",
        "已开始的项目完成后任务将取消。",
    ),
    State.CANCELLED: (
        "Finished hosts stay as they are now. upgrade/retry goes on with what was left out.",
        "已完成的主机保持现状。用 upgrade/retry 可继续未开始的项目。",
    ),
    State.FAILED: (
        "Each item says why; when it is mended, upgrade/retry tries again what failed or was skipped.",
        "各项说明了原因；修复后可用 upgrade/retry 重试失败或跳过的项目。",
    ),
}


def next_step(run: UpgradeRun) -> tuple[str, str]:
    """Return what to call next, or empty texts where nothing needs to be called."""
    if run.state == State.PAUSED and run.paused_by in _PAUSED_BY:
        return _PAUSED_BY[By(run.paused_by)]
    if run.early(time.time()):
        begins = f"{datetime.fromtimestamp(run.options['not_before'], UTC):%Y-%m-%d %H:%M:%S} UTC"
        return f"It begins at {begins}; its hosts are held until then.", f"将于 {begins} 开始；在此之前主机保持占用。"
    return _STEPS.get(State(run.state), ("", ""))
