"""Which call goes on from the state of a run, in both languages."""

from __future__ import annotations

from .models import UpgradeRun

State = UpgradeRun.State
_THRESHOLD = (
    "Each failed item says why. When it is mended, upgrade/retry tries what failed again; upgrade/resume goes on with "
    "the rest; upgrade/cancel ends the run.",
    "失败的各项说明了原因。修复后可用 upgrade/retry 重试失败项；用 upgrade/resume 继续其余项目；"
    "用 upgrade/cancel 结束任务。",
)
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
    if run.paused_by == UpgradeRun.PausedBy.THRESHOLD and run.state == State.PAUSED:
        return _THRESHOLD
    return _STEPS.get(State(run.state), ("", ""))
