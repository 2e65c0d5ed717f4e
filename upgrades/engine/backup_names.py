"""Names of backups: the minute in which one was begun, and the next free one where it is taken (contract §4)."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.utils import timezone

from sysmgr import env
from upgrades.models import Backup, UpgradeItem


def _name(version: str, moment: datetime) -> str:
    local = moment.astimezone(ZoneInfo(env.TIME_ZONE))
    return f"backup_{version}_{local:%Y%m%d_%H%M}.tar.gz"


def claim_name(item: UpgradeItem) -> Backup:
    """Return the item's backup row, made with the first free minute of its host (contract §4)."""
    existing = Backup.objects.filter(task=item.task).first()
    if existing is not None:
        return existing
    begin = timezone.now()
    backup = Backup(host=item.host, service_type=item.service_type, item=item, task=item.task, begin_time=begin)
    return _insert(backup, begin, item)


def _insert(backup: Backup, moment: datetime, item: UpgradeItem) -> Backup:
    backup.version = item.from_version
    while True:
        backup.package_name = _name(item.from_version, moment)
        try:
            with transaction.atomic():
                backup.save()
            return backup
        except IntegrityError:
            moment += timedelta(minutes=1)


def next_name(backup: Backup) -> None:
    """Take the next free minute after a name that the host has already."""
    assert backup.item is not None
    local = datetime.strptime(backup.package_name[-20:-7], "%Y%m%d_%H%M").replace(tzinfo=ZoneInfo(env.TIME_ZONE))
    _insert(backup, local + timedelta(minutes=1), backup.item)
