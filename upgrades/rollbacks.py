"""Taking back what a run committed: asked for by an operator, or at a threshold that says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db.models.functions import Coalesce

from cluster.members import leader_known
from cluster.models import Cluster, HostService
from sysmgr.audit.services import SYSTEM, Actor
from sysmgr.errors import InvalidInput, NoLeader, Problem

from . import controls
from .backup_errors import RollbackRefused, RunUnderWay
from .backup_selectors import kept, last_changes
from .backup_services import Kind, Wanted, begin, fill, raced, refuse_held
from .errors import RunNotFound
from .holding import hold
from .models import HostHold, UpgradeItem, UpgradeRun
from .services import RETRY_SECONDS
from .trust import Fault

_WHEN = Coalesce("end_time", "update_time")


def request_rollback(
    cluster: Cluster, run_uuid: UUID, wanted: Sequence[Mapping[str, str]] | None, actor: Actor
) -> UpgradeRun:
    """Make a run that takes back what a run committed (or the named part of it), newest first. One that is paused
    is cancelled with it. Raises RunNotFound (404), InvalidInput (400: named, but not done by the run),
    RollbackRefused, RunUnderWay, HostUnderWay (a host waits for its reboot) or HostHeld (409), NoLeader (503); then
    nothing is made or changed."""
    addresses: list[str] = []

    def made() -> UpgradeRun:
        rows = UpgradeRun.objects.select_for_update(of=("self",)).filter(cluster=cluster, pk=run_uuid)
        origin = rows.first()
        if origin is None:
            raise RunNotFound("upgrade_uuid")
        paused = origin.state == UpgradeRun.State.PAUSED
        if not (origin.ended or paused):
            raise RunUnderWay("upgrade_uuid", state=origin.state)
        items = _committed(origin, wanted)
        if paused:
            controls.refuse_under_way(list(origin.items.filter(state__in=UpgradeItem.UNDER_WAY)))
        addresses[:] = [item.host_ip for item in items]
        sources, faults = _sources(items)
        if faults:
            raise RollbackRefused(
                "upgrade_uuid",
                problems="; ".join(fault.english for fault in faults)[:768],
                problems_cn="；".join(fault.chinese for fault in faults)[:768],
            )
        run = _begin(cluster, origin, sources, actor)
        if paused:  # its leader may have to remove yet what was pushed to others
            controls.cancel(cluster, run_uuid, actor)
        fill(run, sources, actor)
        return run

    return raced(made, addresses, cluster)


def take_over(origin: UpgradeRun) -> UpgradeRun | None:
    """Make the run that takes back what `origin`, which ends in this transaction, committed, newest first; the holds
    of these hosts go over to it. What can't be taken back is left out, and upgrade/rollback says why; None where
    nothing is left."""
    held = set(origin.holds.values_list("host", flat=True))
    done = [item for item in _changes(origin) if item.host_id in held]  # an earlier try may have let a host go
    wanted, _ = _sources(done)
    if not wanted:
        return None
    run = begin(origin.cluster, Kind.ROLLBACK, origin.author, origin)
    _hand_over(origin, run, wanted)
    fill(run, wanted, SYSTEM)
    return run


def _begin(cluster: Cluster, origin: UpgradeRun, wanted: Sequence[Wanted], actor: Actor) -> UpgradeRun:
    """Make the run, still without items, on hosts that nobody holds or that `origin` holds yet. Raises HostHeld (409)
    or NoLeader (503)."""
    hosts = {one.host.pk: one.host for one in wanted}
    held = set(origin.holds.values_list("host", flat=True))
    free = [host for pk, host in hosts.items() if pk not in held]
    refuse_held(free)
    if not leader_known():
        raise NoLeader(retry_after=RETRY_SECONDS)
    run = begin(cluster, Kind.ROLLBACK, actor.user_name, origin)
    _hand_over(origin, run, wanted)
    hold(run, free)
    return run


def _hand_over(origin: UpgradeRun, run: UpgradeRun, wanted: Sequence[Wanted]) -> None:
    """Let `run` hold what `origin` holds of these hosts."""
    HostHold.objects.filter(run=origin, host__in={one.host.pk for one in wanted}).update(run=run)


def _changes(origin: UpgradeRun) -> list[UpgradeItem]:
    """Return what the run changed, newest first. One query."""
    if origin.kind == Kind.BACKUP:
        return []
    rows = origin.items.filter(state=UpgradeItem.State.COMMITTED).select_related("host")
    return list(rows.order_by(_WHEN.desc(), "-ordinal"))


def _committed(origin: UpgradeRun, wanted: Sequence[Mapping[str, str]] | None) -> list[UpgradeItem]:
    """Return what is to be taken back of what the run changed; raise why it can't be."""
    items = _changes(origin)
    if wanted is not None:
        named = [(item["host_ip"], item["service_type"]) for item in wanted]
        done = {(item.host_ip, item.service_type) for item in items}
        problems = [
            Problem(f"list[{place}]", "is nothing that this run committed", "不是该任务已完成的项目")
            if pair not in done
            else Problem(f"list[{place}]", "is there twice", "重复出现")
            for place, pair in enumerate(named)
            if pair not in done or pair in named[:place]
        ]
        if problems:
            raise InvalidInput(problems)
        items = [item for item in items if (item.host_ip, item.service_type) in named]
    if not items:
        raise RollbackRefused("upgrade_uuid", problems="it committed no change", problems_cn="该任务未完成任何变更")
    return items


def _sources(items: Sequence[UpgradeItem]) -> tuple[list[Wanted], list[Fault]]:
    """Return items with the backups that take them back, and why others can't be taken back.
    Queries: backups, services, last changes."""
    faults: list[Fault] = []
    wanted: list[Wanted] = []
    tasks = [item.task for item in items]
    locked = kept().select_for_update(of=("self",)).order_by("pk").filter(task__in=tasks)
    backups = {backup.task: backup for backup in locked}
    hosts = {item.host_id for item in items if item.host_id}
    rows = HostService.objects.filter(host__in=hosts, unmanaged=False)
    services = {(row.host_id, row.service_type): row for row in rows}
    last = last_changes(hosts)
    for item in items:
        service = services.get((item.host_id or 0, item.service_type))
        if item.host is None or service is None:
            faults.append(Fault(f"{item} is there no more", f"{item} 已不存在"))
        elif last[item.host_id, item.service_type] != item.pk or service.version != item.to_version:
            faults.append(
                Fault(
                    f"{item} was changed since and runs {service.version}",
                    f"{item} 之后已再次变更，当前版本为 {service.version}",
                )
            )
        elif item.task not in backups:
            faults.append(Fault(f"the backup of {item} was removed", f"{item} 的备份已被删除"))
        else:
            wanted.append(Wanted(item.host, service, backups[item.task]))
    return wanted, faults
