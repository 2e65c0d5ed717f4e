"""What an operator may ask of a run: pause, resume, cancel, retry. The leader obeys between its steps."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from cluster.members import leader_known
from cluster.models import Cluster, HostService
from sysmgr.audit.services import Actor, record
from sysmgr.errors import NoLeader

from . import resting
from .backup_selectors import kept
from .errors import GoingOnRefused, HostHeld, NothingToRetry, OnlyUnproven, RunNotFound, RunStateWrong
from .holding import hold
from .models import HostHold, UpgradeItem, UpgradePackage, UpgradeRun
from .rolling_errors import HostUnderWay, OnlyDefinite
from .services import RETRY_SECONDS
from .trust import Fault, fault, with_trust

State, Item = UpgradeRun.State, UpgradeItem.State
_ON_HOSTS = (Item.PUSHING, *UpgradeItem.UNDER_WAY)
_AGAIN = (Item.FAILED, Item.ROLLED_BACK, Item.SKIPPED)
_ANEW: dict[str, Any] = {
    "state": Item.PENDING,
    "scode": 0,
    "message": "",
    "message_cn": "",
    "reason": "",
    "definite": False,
    "skip_reason": "",
    "sent": 0,
    "begin_time": None,
    "end_time": None,
    "soak_until": None,
}
UNTOLD: dict[str, Any] = {"paused_by": "", "error": "", "scode": 0, "message": "", "message_cn": ""}


@transaction.atomic
def pause(cluster: Cluster, run_uuid: UUID, actor: Actor) -> UpgradeRun:
    """Let a run rest as soon as no service stands between two releases; asked again, it changes nothing."""
    run = locked(cluster, run_uuid)
    if run.state in (State.PAUSING, State.PAUSED):
        return run
    require(run, "upgrade/pause", State.PENDING, State.PRECHECKING, State.RUNNING)
    # Nobody has begun a pending run; any other one comes to rest by its leader's hand.
    state = State.PAUSED if run.state == State.PENDING else State.PAUSING
    return _moved(run, actor, "upgrade.pause", {"state": state, "paused_by": UpgradeRun.PausedBy.OPERATOR})


@transaction.atomic
def resume(cluster: Cluster, run_uuid: UUID, actor: Actor) -> UpgradeRun:
    """Let a paused run go on where it was; one that was never to rest goes on anyway. One whose window is over goes
    on without a window: whoever resumes it wants it now."""
    run = locked(cluster, run_uuid)
    if run.state in (State.PENDING, State.PRECHECKING, State.RUNNING):
        return run
    require(run, "upgrade/resume", State.PAUSING, State.PAUSED)
    items = list(run.items.select_related("host"))
    _refuse(_source_faults(run, [item for item in items if item.state in UpgradeItem.NOT_BEGUN]))
    told = {**UNTOLD, "state": State.RUNNING if run.prechecked else State.PENDING}
    if run.state == State.PAUSING and not run.prechecked:
        told["state"] = State.PRECHECKING
    if run.paused_by == UpgradeRun.PausedBy.THRESHOLD:
        told["forgiven"] = resting.failures(Counter(item.state for item in items))
    if run.paused_by == UpgradeRun.PausedBy.WINDOW:
        told["options"] = {key: value for key, value in run.options.items() if key != "not_after"}
    return _moved(run, actor, "upgrade.resume", told)


@transaction.atomic
def cancel(cluster: Cluster, run_uuid: UUID, actor: Actor) -> UpgradeRun:
    """End a run early: what has begun is brought to its end, the rest is skipped."""
    run = locked(cluster, run_uuid)
    if run.state in (State.CANCELLING, State.CANCELLED):
        return run
    require(run, "upgrade/cancel", State.PENDING, State.PRECHECKING, State.RUNNING, State.PAUSING, State.PAUSED)
    counts = Counter(run.items.values_list("state", flat=True))
    if run.state not in (State.PENDING, State.PAUSED) or any(counts[state] for state in _ON_HOSTS):
        # The leader has something under way, or something to remove from a host.
        return _moved(run, actor, "upgrade.cancel", {**UNTOLD, "state": State.CANCELLING})
    told = {**UNTOLD, **resting.cancelled(counts), "end_time": timezone.now()}
    resting.let_go(run)
    return _moved(run, actor, "upgrade.cancel", told)


def retry(cluster: Cluster, run_uuid: UUID, actor: Actor, *, force: bool = False) -> UpgradeRun:
    """Try again, in the same run, what failed or was skipped; raise why it can't be tried. What failed for a definite
    reason, or was left out with one, only with `force`; what is unproven never."""
    try:
        return _retry(cluster, run_uuid, actor, force)
    except IntegrityError:
        # Between our look and our insert another request took a host, or it was removed; now that can be seen.
        run = UpgradeRun.objects.get(cluster=cluster, pk=run_uuid)
        _refuse_held(run, [item for item in run.items.select_related("host") if item.state in _AGAIN])
        return _retry(cluster, run_uuid, actor, force)


@transaction.atomic
def _retry(cluster: Cluster, run_uuid: UUID, actor: Actor, force: bool) -> UpgradeRun:
    run = locked(cluster, run_uuid)
    require(run, "upgrade/retry", State.FAILED, State.CANCELLED, State.PAUSED)
    items = list(run.items.select_related("host").order_by("ordinal"))
    refuse_under_way(items)
    failed = [item for item in items if item.state in _AGAIN]
    again = [item for item in failed if force or not (item.definite or item.skip_reason)]
    if not again:
        _refuse_nothing(items, failed)
    held = _refuse_held(run, again)
    going_on = [item for item in items if item in again or item.state in UpgradeItem.NOT_BEGUN]
    _refuse([*_source_faults(run, going_on), *_host_faults(again)])
    if not leader_known():
        raise NoLeader(retry_after=RETRY_SECONDS)
    hold(run, (item.host for item in again if item.host is not None and item.host_id not in held))
    for item in again:
        # A task of its own: on the host the marks of the former try stay, and say nothing about this one.
        for name, value in {**_ANEW, "task": uuid.uuid4(), "update_time": timezone.now()}.items():
            setattr(item, name, value)
    UpgradeItem.objects.bulk_update(again, ["task", "update_time", *_ANEW])
    left = resting.failures(Counter(item.state for item in items))
    told = {**UNTOLD, "state": State.PENDING, "prechecked": False, "end_time": None, "forgiven": left}
    return _moved(run, actor, "upgrade.retry", told)


def refuse_under_way(items: Sequence[UpgradeItem]) -> None:
    """Raise HostUnderWay where a paused run has begun something that it must bring to its end first (a reboot)."""
    begun = [item for item in items if item.state in UpgradeItem.UNDER_WAY]
    if begun:
        hosts = ", ".join(sorted({item.host_ip for item in begun}))
        raise HostUnderWay("upgrade_uuid", host=hosts[:256], items=", ".join(map(str, begun))[:256])


def _refuse_nothing(items: Sequence[UpgradeItem], insisted: Sequence[UpgradeItem]) -> NoReturn:
    """Say why nothing is to be tried again; `insisted`: what would be, with `force`."""
    unproven = [item for item in items if item.state == Item.INCONSISTENT]
    if insisted:
        told = ", ".join(f"{item} ({item.reason or item.skip_reason or item.state})" for item in insisted)[:512]
        raise OnlyDefinite("upgrade_uuid", items=told)
    if unproven:
        raise OnlyUnproven("upgrade_uuid", items=", ".join(map(str, unproven))[:512])
    raise NothingToRetry("upgrade_uuid")


def locked(cluster: Cluster, run_uuid: UUID) -> UpgradeRun:
    """Return the run, locked to the commit: the leader and other operators wait, and then see what was decided."""
    run = UpgradeRun.objects.select_for_update(of=("self",)).filter(cluster=cluster, pk=run_uuid).first()
    if run is None:
        raise RunNotFound("upgrade_uuid")
    return run


def require(run: UpgradeRun, call: str, *states: str) -> None:
    """Raise RunStateWrong (409) when the run is in none of these states."""
    if run.state not in states:
        raise RunStateWrong("upgrade_uuid", state=run.state, call=call)


def _moved(run: UpgradeRun, actor: Actor, action: str, told: dict[str, Any]) -> UpgradeRun:
    before = run.state
    if not resting.move(run, before, told):
        raise RunStateWrong("upgrade_uuid", state=before, call=action)
    resting.announce(run, actor.user_name)
    record(actor, action, f"run {run.pk}", changes=[{"path": "state", "from": before, "to": run.state}])
    return run


def _refuse_held(run: UpgradeRun, items: Iterable[UpgradeItem]) -> set[int]:
    """Return the hosts that the run holds itself; raise HostHeld when another run holds one of the items' hosts."""
    holds = HostHold.objects.filter(host__in={item.host_id for item in items if item.host_id})
    holders = dict(holds.values_list("host", "run"))
    others = {str(holder) for holder in holders.values() if holder != run.pk}
    if others:
        raise HostHeld("upgrade_uuid", run=", ".join(sorted(others)))
    return set(holders)


def _refuse(faults: Iterable[Fault]) -> None:
    told = list(faults)
    if told:
        raise GoingOnRefused(
            "upgrade_uuid",
            problems="; ".join(why.english for why in told)[:768],
            problems_cn="；".join(why.chinese for why in told)[:768],
        )


def _source_faults(run: UpgradeRun, items: Sequence[UpgradeItem]) -> Iterable[Fault]:
    """Yield why packages or backups can't be used (any more) for what is still to be begun."""
    if run.kind == UpgradeRun.Kind.BACKUP:
        return
    if run.kind != UpgradeRun.Kind.UPGRADE:
        sources = [item.source_id for item in items if item.source_id]
        there = {row.pk for row in kept().select_for_update(of=("self",)).order_by("pk").filter(pk__in=sources)}
        for item in items:
            if item.source_id not in there:
                yield Fault(f"the backup of {item} was removed", f"{item} 的备份已被删除")
        return
    names = {item.package_name: item.package_id for item in items}
    # Locked to the commit: who removes or withdraws a package looks for runs that use it under the same lock.
    rows = with_trust(UpgradePackage.objects.select_for_update(of=("self",)).order_by("pk"))
    packages = {row.pk: row for row in rows.filter(pk__in=[pk for pk in names.values() if pk])}
    for name, pk in sorted(names.items()):
        why = fault(packages[pk]) if pk in packages else Fault("was removed", "已被删除")
        if why is not None:
            yield Fault(f"{name} {why.english}", f"{name} {why.chinese}")


def _host_faults(items: Iterable[UpgradeItem]) -> Iterable[Fault]:
    """Yield which hosts are in maintenance, or do not run any more what the items start from."""
    items = list(items)
    services = HostService.objects.filter(host__in={item.host_id for item in items if item.host_id}, unmanaged=False)
    versions = {(row.host_id, row.service_type): row.version for row in services}
    for item in items:
        found = versions.get((item.host_id or 0, item.service_type))
        if item.host is not None and item.host.maintenance:
            reason = item.host.maintenance_reason
            yield Fault(f"{item.host_ip} is in maintenance: {reason}", f"{item.host_ip} 正在维护：{reason}")
        if found is None:
            yield Fault(f"{item} is there no more", f"{item} 已不存在")
        elif found != item.from_version:
            yield Fault(
                f"{item} runs {found}, not {item.from_version}", f"{item} 当前版本为 {found}，而非 {item.from_version}"
            )
