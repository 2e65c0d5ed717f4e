"""How a run comes to rest: what the leader and an operator's call write alike, inside their own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from sysmgr.events.services import emit

from .models import HostHold, UpgradeItem, UpgradeRun

State = UpgradeItem.State


def failures(counts: Mapping[str, int]) -> int:
    """Return how many items ended badly, of counts by state."""
    return sum(counts.get(state, 0) for state in UpgradeItem.BAD)


def cancelled(counts: Mapping[str, int]) -> dict[str, Any]:
    """Return what a cancelled run says: what was done stays done."""
    done, all_ = counts.get(State.COMMITTED, 0), sum(counts.values())
    failed = failures(counts)
    left = all_ - done - failed
    return {
        "state": UpgradeRun.State.CANCELLED,
        "scode": 0,
        "message": f"Cancelled: {done} of {all_} host services are done and stay so, {failed} failed, "
        f"{left} were not begun and stay as they were.",
        "message_cn": f"已取消：共 {all_} 个主机服务，其中 {done} 个已完成并保持新状态，{failed} 个失败，"
        f"{left} 个未开始，保持原状。",
    }


def move(run: UpgradeRun, expected: str, told: dict[str, Any]) -> bool:
    """Write `told` to a run in the `expected` state; False, and nothing written, when it is in another one."""
    if UpgradeRun.objects.filter(pk=run.pk, state=expected).update(**told) != 1:
        return False
    for name, value in told.items():
        setattr(run, name, value)
    return True


def let_go(run: UpgradeRun) -> None:
    """Skip what was not begun, and free the hosts."""
    run.items.filter(state=State.PENDING).update(state=State.SKIPPED, update_time=timezone.now())
    HostHold.objects.filter(run=run).delete()


def announce(run: UpgradeRun, who: str = "", *, severity: str = "info") -> None:
    """Append the event of the state that the run is in now; `who` asked for it."""
    by, by_cn = (f" by {who}", f"（{who}）") if who else ("", "")
    said, said_cn = (f": {run.message}", f"：{run.message_cn}") if run.message else ("", "")
    emit(
        f"upgrade.{run.state}",
        run.pk,
        f"upgrade {run.pk}: {run.state}{by}{said}",
        f"升级 {run.pk}：{run.state}{by_cn}{said_cn}",
        severity=severity,
        cluster_uuid=run.cluster_id,
        run_kind=run.kind,
    )
