"""Names of backups: the minute in which one was begun, and the next free one where it is taken (contract §4)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.utils import timezone

from sysmgr import env
from upgrades.models import Backup, UpgradeItem


def _name(version: str, moment: datetime) -> str:
    local = moment.astimezone(ZoneInfo(env.TIME_ZONE))
    return f"backup_{version}_{local:%Y%m%d_%H%M}.tar.gz"


def claim(items: Collection[UpgradeItem]) -> dict[UUID, Backup]:
    """Return the items' backup rows by task, made with the first free minute of each host (contract §4) where there is
    none. Two queries, and some more for each name that is taken."""
    if not items:
        return {}
    now = timezone.now()
    wanted = [
        Backup(
            host=item.host,
            service_type=item.service_type,
            item=item,
            task=item.task,
            version=item.from_version,
            begin_time=now,
            package_name=_name(item.from_version, now),
        )
        for item in items
    ]
    # Not one that is there by now, of an earlier leader's claim or by the same name.
    Backup.objects.bulk_create(wanted, ignore_conflicts=True)
    found = {row.task: row for row in Backup.objects.filter(task__in=[item.task for item in items])}
    return {row.task: found.get(row.task) or _insert(row, now + timedelta(minutes=1)) for row in wanted if row.task}


def rename(backup: Backup) -> None:
    """Take the next free minute after a name that the host has already."""
    local = datetime.strptime(backup.package_name[-20:-7], "%Y%m%d_%H%M").replace(tzinfo=ZoneInfo(env.TIME_ZONE))
    _insert(backup, local + timedelta(minutes=1))


def _insert(backup: Backup, moment: datetime) -> Backup:
    while True:
        backup.package_name = _name(backup.version, moment)
        try:
            with transaction.atomic():
                backup.save()
            return backup
        except IntegrityError:
            moment += timedelta(minutes=1)
