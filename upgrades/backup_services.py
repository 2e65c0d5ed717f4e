"""Backups on demand and restores: runs like any other, each with its own backup first; `rollbacks` adds its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from cluster.errors import HostNotFound
from cluster.members import leader_known
from cluster.models import Cluster, Host, HostService
from sysmgr.audit.services import Actor, record
from sysmgr.errors import NoLeader
from sysmgr.events.services import emit

from .backup_errors import BackupRefused
from .backup_selectors import find, kept
from .errors import HostHeld
from .holding import hold
from .models import Backup, HostHold, UpgradeItem, UpgradeRun
from .services import RETRY_SECONDS

Kind = UpgradeRun.Kind
_WORDS = {
    Kind.BACKUP: ("a backup", "备份"),
    Kind.RESTORE: ("a restore", "恢复"),
    Kind.ROLLBACK: ("a rollback", "回退"),
}


@dataclass(frozen=True)
class Wanted:
    """One item to be: a service, what it shall run, and the backup that brings it (none: only back up)."""

    host: Host
    service: HostService
    backup: Backup | None = None

    @property
    def version(self) -> str:
        """The version that the service runs afterwards."""
        return self.backup.version if self.backup else self.service.version


def request_backup(cluster: Cluster, host_ip: str, service_type: str, actor: Actor) -> UpgradeRun:
    """Make a run that only backs up what a service runs now. Raises HostNotFound (404), BackupRefused (400),
    HostHeld (409) or NoLeader (503), and then nothing is made."""

    def made() -> UpgradeRun:
        host = Host.objects.filter(cluster=cluster, host_ip=host_ip).first()
        if host is None:
            raise HostNotFound("host_ip")
        wanted = Wanted(host, _service(host, service_type, "service_type"))
        return create(cluster, Kind.BACKUP, [wanted], actor)

    return raced(made, [host_ip], cluster)


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
        return create(cluster, Kind.RESTORE, [Wanted(found.host, service, backup)], actor)

    return raced(made, [host_ip], cluster)


def raced(make: Callable[[], UpgradeRun], addresses: Sequence[str], cluster: Cluster) -> UpgradeRun:
    """Make a run in a transaction of its own; once more, or HostHeld, where another request was faster."""
    try:
        with transaction.atomic():
            return make()
    except IntegrityError:
        # Between our look and our insert another request took a host, or it was removed; now that can be seen.
        refuse_held(Host.objects.filter(cluster=cluster, host_ip__in=addresses))
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


def refuse_held(hosts: Iterable[Host]) -> None:
    """Raise HostHeld, naming the runs, when one of these hosts is held. One query."""
    holds = HostHold.objects.filter(host__in=[host.pk for host in hosts]).values_list("host__host_ip", "run")
    if holds:
        field = ", ".join(sorted(address for address, _ in holds))
        raise HostHeld(field, run=", ".join(sorted({str(run) for _, run in holds})))


def create(cluster: Cluster, kind: Kind, wanted: Sequence[Wanted], actor: Actor) -> UpgradeRun:
    """Make a run of hosts that nobody holds. Raises HostHeld (409) or NoLeader (503)."""
    hosts = {one.host.pk: one.host for one in wanted}
    refuse_held(hosts.values())
    if not leader_known():
        raise NoLeader(retry_after=RETRY_SECONDS)
    run = begin(cluster, kind, actor.user_name)
    hold(run, hosts.values())
    fill(run, wanted, actor)
    return run


def begin(cluster: Cluster, kind: Kind, author: str, origin: UpgradeRun | None = None) -> UpgradeRun:
    """Make the run itself; one that takes another back keeps to that one's limits, without a canary: what it brings
    ran there before."""
    options: dict[str, Any] = {}
    if origin is not None:
        options = {key: origin.options[key] for key in ("max_parallel", "max_unavailable") if key in origin.options}
        options["canary"] = 0
    return UpgradeRun.objects.create(cluster=cluster, kind=kind, origin=origin, author=author, options=options)


def fill(run: UpgradeRun, wanted: Sequence[Wanted], actor: Actor) -> None:
    """Give a run its items, in this order, and tell that it was asked for."""
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
    english, chinese = _WORDS[Kind(run.kind)]
    emit(
        "upgrade.pending",
        run.pk,
        f"{actor.user_name} asked for {english} of {len(wanted)} host services",
        f"{actor.user_name} 请求{chinese} {len(wanted)} 个主机服务",
        cluster_uuid=run.cluster_id,
    )
    changes = [{"path": "origin", "from": "", "to": str(run.origin_id)}] if run.origin_id else []
    record(actor, f"upgrade.{run.kind}", f"run {run.pk}", changes=changes)
