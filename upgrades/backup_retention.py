"""How long backups are kept: the newest of each service, and all that are young; never the way back."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from sysmgr import env
from sysmgr.audit.services import SYSTEM, record

from .backup_care import finish
from .backup_selectors import is_way_back, kept, used_by
from .models import Backup

SECONDS = 600.0
_MOST = 200  # of each kind a pass: the next one goes on


def sweep() -> None:
    """Give up what is old, and remove what was given up. A host that can't be asked is tried again by the next pass."""
    for backup in _old(timezone.now() - timedelta(days=env.BACKUP_DAYS)):
        _give_up(backup.pk)
    silent: set[int] = set()
    given_up = Backup.objects.filter(remove_time__isnull=False).select_related("host").order_by("remove_time", "pk")
    for backup in given_up[:_MOST]:
        if backup.host_id not in silent and not finish(backup):
            silent.add(backup.host_id)


def _old(before: datetime) -> list[Backup]:
    """Return the oldest backups that are neither young nor among the newest of their service."""
    old: list[Backup] = []
    newest: dict[tuple[int, str], set[int]] = {}
    for backup in kept().filter(update_time__lt=before).order_by("update_time", "pk").iterator(chunk_size=500):
        pair = (backup.host_id, backup.service_type)
        if pair not in newest:
            mine = kept().filter(host=backup.host_id, service_type=backup.service_type)
            rows = mine.order_by("-update_time", "-pk").values_list("pk", flat=True)
            newest[pair] = set(rows[: env.BACKUP_KEEP])
        if backup.pk not in newest[pair]:
            old.append(backup)
        if len(old) >= _MOST:
            break
    return old


@transaction.atomic
def _give_up(pk: int) -> None:
    backup = kept().select_for_update(of=("self",)).select_related("host").filter(pk=pk).first()
    if backup is None or used_by(backup) is not None or is_way_back(backup):
        return
    backup.remove_time = timezone.now()
    backup.save(update_fields=["remove_time"])
    record(SYSTEM, "backup.remove", f"backup {backup.host.host_ip} {backup.package_name}")


def told() -> str:
    """Return how long backups are kept, how many there are, and how many wait for their removal. Queries: two."""
    waiting = Backup.objects.filter(remove_time__isnull=False).count()
    kept_for = f"the newest {env.BACKUP_KEEP} of each service, and all of the last {env.BACKUP_DAYS} days"
    return f"{kept().count()} (kept: {kept_for}; never removed: the way back); {waiting} wait for their removal"
