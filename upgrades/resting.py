"""How a run comes to rest: what the leader and an operator's call write alike, inside their own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from sysmgr.errors import SysmgrError
from sysmgr.events.services import emit

from .errors import ItemsFailed
from .models import HostHold, UpgradeItem, UpgradePackage, UpgradeRun

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


def said(error: SysmgrError) -> dict[str, Any]:
    """Return the columns that keep an error's code and texts."""
    return {"scode": error.scode, "message": error.text[:1024], "message_cn": error.text_cn[:1024]}


def end(run: UpgradeRun, fatal: SysmgrError | None, counts: Mapping[str, int]) -> None:
    """Write how a run ends of which nothing is under way: `fatal` stopped it, or its items' states decide."""
    failed, error = failures(counts), fatal
    if fatal is None and failed:
        error = ItemsFailed(count=failed, all=sum(counts.values()))
    told: dict[str, Any] = {
        "state": UpgradeRun.State.SUCCEEDED,
        "error": "",
        "scode": 0,
        "message": "",
        "message_cn": "",
    }
    left_out = counts.get(State.SKIPPED, 0)
    not_done = counts.get(State.PENDING, 0) + left_out
    if fatal is None and run.state == UpgradeRun.State.CANCELLING and not_done:
        told |= cancelled(counts)
    elif error is not None:
        told |= {"state": UpgradeRun.State.FAILED, "error": error.name(), **said(error)}
    elif left_out and not counts.get(State.COMMITTED, 0):
        told |= cancelled(counts)  # every host was left out: nothing succeeded
    elif left_out:
        told["message"] = f"{left_out} of {sum(counts.values())} host services were left out."
        told["message_cn"] = f"{sum(counts.values())} 个主机服务中有 {left_out} 个被跳过。"
    move(run, run.state, {**told, "paused_by": "", "end_time": timezone.now()})
    if run.state == UpgradeRun.State.SUCCEEDED:
        used = run.items.filter(state=State.COMMITTED).values("package")
        UpgradePackage.objects.filter(pk__in=used).update(update_time=run.end_time)


def let_go(run: UpgradeRun) -> None:
    """Skip what was not begun, and free the hosts."""
    now = timezone.now()
    run.items.filter(state=State.PENDING).update(state=State.SKIPPED, update_time=now, end_time=now)
    HostHold.objects.filter(run=run).delete()


def announce(run: UpgradeRun, who: str = "", *, severity: str = "info") -> None:
    """Append the event of the state that the run is in now; `who` asked for it."""
    by, by_cn = (f" by {who}", f"（{who}）") if who else ("", "")
    tells, tells_cn = (f": {run.message}", f"：{run.message_cn}") if run.message else ("", "")
    waived = "; ".join(f"{one['host_ip']} {one['check']} ({one['reason']})" for one in run.options.get("waive", ()))
    if waived:
        tells, tells_cn = f"{tells} Waived: {waived[:512]}.", f"{tells_cn} 已豁免：{waived[:512]}。"
    emit(
        f"upgrade.{run.state}",
        run.pk,
        f"upgrade {run.pk}: {run.state}{by}{tells}",
        f"升级 {run.pk}：{run.state}{by_cn}{tells_cn}",
        severity=severity,
        cluster_uuid=run.cluster_id,
        run_kind=run.kind,
    )
