"""Leaving a host out of a run that can't wait for it: it is marked, so that a later run catches it up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from cluster.models import Cluster, HostService
from sysmgr.audit.services import Actor, record
from sysmgr.errors import InvalidInput, Problem
from sysmgr.events.services import emit

from . import controls, resting
from .models import HostHold, UpgradeItem, UpgradeRun
from .versions import parsed
from .waivers import NOT_IN_RUN

State, Item = UpgradeRun.State, UpgradeItem.State


@transaction.atomic
def skip(cluster: Cluster, run_uuid: UUID, host_ip: str, reason: str, actor: Actor) -> UpgradeRun:
    """Leave out what was not begun on a host, let the host go, and note which versions it misses.

    Only in a run that nobody drives, so pause it first: the leader alone moves the items of the others. Where nothing
    is left then, the run ends. Raises RunNotFound (404), RunStateWrong or HostUnderWay (409), InvalidInput (400:
    not a host of the run). Asked again it changes nothing.
    """
    run = controls.locked(cluster, run_uuid)
    controls.require(run, "upgrade/skip", State.PENDING, State.PAUSED)
    mine = list(run.items.filter(host_ip=host_ip).order_by("ordinal"))
    if not mine:
        raise InvalidInput([Problem("host_ip", *NOT_IN_RUN)])
    controls.refuse_under_way(mine)
    now = timezone.now()
    left = run.items.filter(host_ip=host_ip, state__in=UpgradeItem.NOT_BEGUN)
    pushed = left.filter(state=Item.PUSHING).exists()
    if not left.update(state=Item.SKIPPED, skip_reason=reason, update_time=now, end_time=now):
        return run
    note_missed(run, mine)
    HostHold.objects.filter(run=run, host__in={item.host_id for item in mine}).delete()
    emit(
        "upgrade.skip",
        run.pk,
        f"{actor.user_name} left {host_ip} out: {reason}",
        f"{actor.user_name} 跳过了主机 {host_ip}：{reason}",
        cluster_uuid=run.cluster_id,
        severity="warning",
        host_ip=host_ip,
    )
    counts = Counter(run.items.values_list("state", flat=True))
    if all(state in UpgradeItem.ENDED for state in counts):
        _end(run, counts, pushed)
    record(actor, "upgrade.skip", f"run {run.pk}", changes=[{"path": f"skip.{host_ip}", "from": "", "to": reason}])
    return run


def _end(run: UpgradeRun, counts: Counter[str], pushed: bool) -> None:
    """End a run of which nothing is left; by its leader's hand where something was pushed, for he alone removes it."""
    if pushed:
        resting.move(run, run.state, {**controls.UNTOLD, "state": State.RUNNING if run.prechecked else State.PENDING})
    else:
        resting.end(run, None, counts)
        resting.let_go(run)
    resting.announce(run, severity="error" if run.state == State.FAILED else "info")


def note_missed(run: UpgradeRun, items: Iterable[UpgradeItem]) -> None:
    """Mark what the run would have brought to these services of one host; an older mark gives way."""
    if run.kind != UpgradeRun.Kind.UPGRADE:
        return
    missed = {item.service_type: item for item in items if item.state != Item.COMMITTED}
    host = next(item.host_id for item in missed.values())
    for service in HostService.objects.select_for_update().filter(host=host, service_type__in=missed).order_by("pk"):
        version = missed[service.service_type].to_version
        if not service.catch_up or parsed(service.catch_up) < parsed(version):
            HostService.objects.filter(pk=service.pk).update(catch_up=version)
