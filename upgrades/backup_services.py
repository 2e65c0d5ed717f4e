"""Backups on demand, restores and rollbacks: runs like any other, each with its own backup first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction

from cluster.errors import HostNotFound
from cluster.members import leader_known
from cluster.models import Cluster, Host, HostService
from sysmgr.audit.services import Actor, record
from sysmgr.errors import InvalidInput, NoLeader, Problem
from sysmgr.events.services import emit

from . import controls
from .backup_errors import BackupRefused, RollbackRefused, RunUnderWay
from .backup_selectors import find, kept, last_changes
from .errors import HostHeld, RunNotFound
from .holding import hold
from .models import Backup, HostHold, UpgradeItem, UpgradeRun
from .services import RETRY_SECONDS
from .trust import Fault

Kind = UpgradeRun.Kind
_WORDS = {
    Kind.BACKUP: ("a backup", "备份"),
    Kind.RESTORE: ("a restore", "恢复"),
    Kind.ROLLBACK: ("a rollback", "回退"),
}


@dataclass(frozen=True)
class _Wanted:
    """One item to be: a service, what it shall run, and the backup that brings it (none: only back up)."""

    host: Host
    service: HostService
    backup: Backup | None = None

    @property
    def version(self) -> str:
        return self.backup.version if self.backup else self.service.version


def request_backup(cluster: Cluster, host_ip: str, service_type: str, actor: Actor) -> UpgradeRun:
    """Make a run that only backs up what a service runs now. Raises HostNotFound (404), BackupRefused (400),
    HostHeld (409) or NoLeader (503), and then nothing is made."""

    def made() -> UpgradeRun:
        host = Host.objects.filter(cluster=cluster, host_ip=host_ip).first()
        if host is None:
            raise HostNotFound("host_ip")
        wanted = _Wanted(host, _service(host, service_type, "service_type"))
        return _create(cluster, Kind.BACKUP, [wanted], actor)

    return _raced(made, [host_ip], cluster)


def request_restore(cluster: Cluster, host_ip: str, name: str, actor: Actor) -> UpgradeRun:
    """Make a run that brings a backup back. Raises HostNotFound or BackupNotFound (404), BackupRefused (400: not run
    or not managed any more, or that version runs now), HostHeld (409) or NoLeader (503)."""

    def made() -> UpgradeRun:
        found = find(cluster.pk, host_ip, name)
        # Locked to the commit: who gives backups up looks for runs that use them under the same lock.
        backup = kept().select_for_update(of=("self",)).filter(pk=found.pk).first()
        if backup is None:
            return made()
        service = _service(found.host, backup.service_type, "package_name")
        if service.version == backup.version:
            english = f"{backup.service_type} runs {backup.version} already"
            raise BackupRefused(
                "package_name", problem=english, problem_cn=f"{backup.service_type} 当前已是版本 {backup.version}"
            )
        return _create(cluster, Kind.RESTORE, [_Wanted(found.host, service, backup)], actor)

    return _raced(made, [host_ip], cluster)


def request_rollback(
    cluster: Cluster, run_uuid: UUID, wanted: Sequence[Mapping[str, str]] | None, actor: Actor
) -> UpgradeRun:
    """Make a run that takes back what a run committed (or the named part of it), newest first. One that is paused
    ends as cancelled with it. Raises RunNotFound (404), InvalidInput (400: named, but not done by the run),
    RollbackRefused, RunUnderWay or HostHeld (409), NoLeader (503); then nothing is made or changed."""
    addresses: list[str] = []

    def made() -> UpgradeRun:
        rows = UpgradeRun.objects.select_for_update(of=("self",)).filter(cluster=cluster, pk=run_uuid)
        origin = rows.first()
        if origin is None:
            raise RunNotFound("upgrade_uuid")
        if origin.state == UpgradeRun.State.PAUSED:
            origin = controls.cancel(cluster, run_uuid, actor)
        if not origin.ended:
            raise RunUnderWay("upgrade_uuid", state=origin.state)
        items = _committed(origin, wanted)
        addresses[:] = [item.host_ip for item in items]
        return _create(cluster, Kind.ROLLBACK, _sources(items), actor, origin)

    return _raced(made, addresses, cluster)


def _raced(make: Callable[[], UpgradeRun], addresses: Sequence[str], cluster: Cluster) -> UpgradeRun:
    try:
        with transaction.atomic():
            return make()
    except IntegrityError:
        # Between our look and our insert another request took a host, or it was removed; now that can be seen.
        _refuse_held(Host.objects.filter(cluster=cluster, host_ip__in=addresses))
        with transaction.atomic():
            return make()


def _service(host: Host, service_type: str, field: str) -> HostService:
    service = HostService.objects.filter(host=host, service_type=service_type).first()
    if service is None:
        raise BackupRefused(
            field,
            problem=f"{host.host_ip} does not run {service_type}",
            problem_cn=f"主机 {host.host_ip} 未运行 {service_type}",
        )
    if service.unmanaged:
        raise BackupRefused(
            field,
            problem=f"{service_type} on {host.host_ip} was installed by somebody else and is not managed",
            problem_cn=f"主机 {host.host_ip} 上的 {service_type} 由他人安装，未受管理",
        )
    return service


def _committed(origin: UpgradeRun, wanted: Sequence[Mapping[str, str]] | None) -> list[UpgradeItem]:
    """Return what is to be taken back, newest first."""
    rows = origin.items.filter(state=UpgradeItem.State.COMMITTED).select_related("host").order_by("-ordinal")
    items = [] if origin.kind == Kind.BACKUP else list(rows)
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


def _sources(items: Sequence[UpgradeItem]) -> list[_Wanted]:
    """Return each item with the backup that takes it back, or raise RollbackRefused naming all that can't be.
    Queries: backups, services, last changes."""
    faults: list[Fault] = []
    wanted: list[_Wanted] = []
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
            wanted.append(_Wanted(item.host, service, backups[item.task]))
    if faults:
        raise RollbackRefused(
            "upgrade_uuid",
            problems="; ".join(fault.english for fault in faults)[:768],
            problems_cn="；".join(fault.chinese for fault in faults)[:768],
        )
    return wanted


def _refuse_held(hosts: Iterable[Host]) -> None:
    holds = HostHold.objects.filter(host__in=[host.pk for host in hosts]).values_list("host__host_ip", "run")
    if holds:
        field = ", ".join(sorted(address for address, _ in holds))
        raise HostHeld(field, run=", ".join(sorted({str(run) for _, run in holds})))


def _create(
    cluster: Cluster, kind: Kind, wanted: Sequence[_Wanted], actor: Actor, origin: UpgradeRun | None = None
) -> UpgradeRun:
    hosts = {one.host.pk: one.host for one in wanted}
    _refuse_held(hosts.values())
    if not leader_known():
        raise NoLeader(retry_after=RETRY_SECONDS)
    run = UpgradeRun.objects.create(cluster=cluster, kind=kind, origin=origin, author=actor.user_name)
    hold(run, hosts.values())
    UpgradeItem.objects.bulk_create(
        UpgradeItem(
            run=run,
            ordinal=place,
            host=one.host,
            host_ip=one.host.host_ip,
            service_type=one.service.service_type,
            package_name=one.backup.package_name if one.backup else "",
            source=one.backup,
            from_version=one.service.version,
            to_version=one.version,
        )
        for place, one in enumerate(wanted)
    )
    english, chinese = _WORDS[kind]
    emit(
        "upgrade.pending",
        run.pk,
        f"{actor.user_name} asked for {english} of {len(wanted)} host services",
        f"{actor.user_name} 请求{chinese} {len(wanted)} 个主机服务",
        cluster_uuid=cluster.pk,
    )
    changes = [{"path": "origin", "from": "", "to": str(origin.pk)}] if origin else []
    record(actor, f"upgrade.{kind}", f"run {run.pk}", changes=changes)
    return run
