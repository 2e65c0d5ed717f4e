"""The engine's writes: each is guarded by the expected state and by the term of the lease."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from cluster.leader import LostLeadership
from cluster.models import HostService, LeaderLease
from sysmgr.errors import SysmgrError
from sysmgr.events.services import emit
from upgrades.models import Backup, UpgradeItem, UpgradeRun


class Journal:
    """Writes for one leader's term; every method is one transaction or raises LostLeadership."""

    def __init__(self, term: int) -> None:
        self.term = term

    def _hold_term(self) -> None:
        """Lock the lease row to the commit: no other leader can take over inside this transaction."""
        if not LeaderLease.objects.select_for_update().filter(pk=1, term=self.term, holder__isnull=False).exists():
            raise LostLeadership(f"term {self.term} is over")

    @transaction.atomic
    def item(self, item: UpgradeItem, state: str, error: SysmgrError | None = None) -> None:
        """Move an item to `state`; an error's code and texts stay with it."""
        told: dict[str, Any] = {"state": state, "update_time": timezone.now()}
        if state == UpgradeItem.State.COMMITTED:
            told |= {"scode": 0, "message": "", "message_cn": ""}  # an earlier leader may have begun to give it up
        if error is not None:
            told |= {"scode": error.scode, "message": error.text[:1024], "message_cn": error.text_cn[:1024]}
        self._hold_term()
        moved = UpgradeItem.objects.filter(pk=item.pk, state=item.state).update(**told)
        if moved != 1:
            raise LostLeadership(f"item {item.pk} was moved by another leader")
        for name, value in told.items():
            setattr(item, name, value)
        emit(
            f"upgrade.item.{state}",
            item.run_id,
            f"{item.host_ip} {item.service_type}: {state}",
            f"{item.host_ip} {item.service_type}：{state}",
            severity="error" if error else "info",
            cluster_uuid=item.run.cluster_id,
            host_ip=item.host_ip,
            service_type=item.service_type,
        )

    @transaction.atomic
    def committed(self, item: UpgradeItem) -> None:
        """Note that the host runs the new release."""
        self.item(item, UpgradeItem.State.COMMITTED)
        HostService.objects.filter(host=item.host_id, service_type=item.service_type).update(version=item.to_version)

    @transaction.atomic
    def backup_complete(self, backup: Backup, answer: dict[str, str]) -> None:
        """Note what a complete backup is; a run that only backs up is told by its name."""
        self._hold_term()
        backup.md5, backup.sha256, backup.size = answer["md5"], answer["sha256"], int(answer["size"])
        backup.update_time = backup.update_time or timezone.now()
        backup.save(update_fields=["md5", "sha256", "size", "update_time"])
        made = UpgradeItem.objects.filter(backups=backup, run__kind=UpgradeRun.Kind.BACKUP)
        made.update(package_name=backup.package_name)
