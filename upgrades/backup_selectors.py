"""The reads of backups: one of them, who needs it, and what brought the release that runs now."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from cluster.errors import HostNotFound
from cluster.models import Host
from sysmgr.api.strict_json import printable

from .backup_errors import BackupNotFound
from .models import Backup, UpgradeItem, UpgradeRun


def kept() -> QuerySet[Backup]:
    """Return the backups that are there: complete, and not given up."""
    return Backup.objects.filter(update_time__isnull=False, remove_time__isnull=True)


def find(cluster_uuid: UUID, host_ip: str, name: str) -> Backup:
    """Return a backup with its host and item, or raise HostNotFound or BackupNotFound. One query."""
    rows = kept().filter(host__cluster=cluster_uuid, host__host_ip=host_ip, package_name=name)
    backup = rows.select_related("host", "item").first()
    if backup is not None:
        return backup
    if not Host.objects.filter(cluster=cluster_uuid, host_ip=host_ip).exists():
        raise HostNotFound("host_ip")
    raise BackupNotFound("package_name", name=printable(name)[:64])


def inspect(cluster_uuid: UUID, host_ip: str, name: str) -> dict[str, Any]:
    """Return the five keys, `service_type`, `upgrade_uuid` ("" when that run is gone), `sha256`, `verified_time`
    (null until it was verified). One query."""
    return shown(find(cluster_uuid, host_ip, name))


def shown(backup: Backup) -> dict[str, Any]:
    """Return a backup as `inspect` shows it."""
    assert backup.update_time is not None
    verified = backup.verified_time
    return {
        "package_name": backup.package_name,
        "md5": backup.md5,
        "version": backup.version,
        "update_time": int(backup.update_time.timestamp()),
        "size": backup.size,
        "service_type": backup.service_type,
        "upgrade_uuid": str(backup.item.run_id) if backup.item else "",
        "sha256": backup.sha256,
        "verified_time": int(verified.timestamp()) if verified else None,
    }


def last_change(host_id: int | None, service_type: str) -> UpgradeItem | None:
    """Return the item that brought the release which a service runs now; None when no run did. One query."""
    return _changes().filter(host=host_id, service_type=service_type).last()


def last_changes(hosts: Collection[int]) -> dict[tuple[int | None, str], UUID]:
    """Return the same of all services of these hosts, each as the item's key. One query."""
    rows = _changes().filter(host__in=hosts).values_list("host", "service_type", "pk")
    return {(host, service): pk for host, service, pk in rows}


def changes_of(items: Collection[UpgradeItem]) -> dict[tuple[int | None, str], UpgradeItem]:
    """Return what `last_change` does for the services of these items, by host and service. One query."""
    rows = _changes().filter(host__in={item.host_id for item in items})
    return {(row.host_id, row.service_type): row for row in rows.only("host", "service_type", "task", "to_version")}


def _changes() -> QuerySet[UpgradeItem]:
    """Return what changed services, oldest first."""
    items = UpgradeItem.objects.filter(state=UpgradeItem.State.COMMITTED).exclude(run__kind=UpgradeRun.Kind.BACKUP)
    return items.order_by("update_time", "run__create_time")


def is_way_back(backup: Backup) -> bool:
    """Tell whether it holds the release before the one that runs now. One query."""
    last = last_change(backup.host_id, backup.service_type)
    return last is not None and last.task == backup.task


def used_by(backup: Backup) -> UUID | None:
    """Return the run under way that makes the backup, may need it to go back, or brings it back. One query."""
    items = UpgradeItem.objects.filter(Q(backups=backup) | Q(source=backup))
    live = items.exclude(run__state__in=UpgradeRun.ENDED)
    return live.values_list("run", flat=True).first()
