"""The engine's writes: each is guarded by the expected state and by the term of the lease."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from cluster.leader import LostLeadership
from cluster.models import HostService, LeaderLease
from sysmgr.audit.services import SYSTEM, record
from sysmgr.errors import SysmgrError
from sysmgr.events.services import emit
from upgrades.models import Backup, HostHold, UpgradeItem, UpgradePackage, UpgradeRun


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
            host_ip=item.host_ip,
            service_type=item.service_type,
        )

    @transaction.atomic
    def run(self, run: UpgradeRun, state: str) -> None:
        """Move a run to a state in which work goes on."""
        self._hold_term()
        self._move_run(run, state=state)
        emit(f"upgrade.{state}", run.pk, f"upgrade {run.pk}: {state}", f"升级 {run.pk}：{state}")

    def _move_run(self, run: UpgradeRun, **told: Any) -> None:
        moved = UpgradeRun.objects.filter(pk=run.pk, state=run.state).update(**told)
        if moved != 1:
            raise LostLeadership(f"run {run.pk} was moved by another leader")
        for name, value in told.items():
            setattr(run, name, value)

    @transaction.atomic
    def committed(self, item: UpgradeItem) -> None:
        """Note that the host runs the new release."""
        self.item(item, UpgradeItem.State.COMMITTED)
        HostService.objects.filter(host=item.host_id, service_type=item.service_type).update(version=item.to_version)

    @transaction.atomic
    def end(self, run: UpgradeRun, error: SysmgrError | None) -> None:
        """End a run: items not begun are skipped, the hosts are let go."""
        self._hold_term()
        run.items.filter(state=UpgradeItem.State.PENDING).update(state=UpgradeItem.State.SKIPPED)
        told: dict[str, Any] = {"state": UpgradeRun.State.SUCCEEDED, "end_time": timezone.now()}
        if error:
            told |= {"state": UpgradeRun.State.FAILED, "error": error.name(), "scode": error.scode}
            told |= {"message": error.text[:1024], "message_cn": error.text_cn[:1024]}
        self._move_run(run, **told)
        if error is None:
            used = run.items.filter(state=UpgradeItem.State.COMMITTED).values("package")
            UpgradePackage.objects.filter(pk__in=used).update(update_time=run.end_time)
        HostHold.objects.filter(run=run).delete()
        emit(
            f"upgrade.{run.state}",
            run.pk,
            f"upgrade {run.pk} {run.state}",
            f"升级 {run.pk}：{run.state}",
            severity="error" if error else "info",
            cluster_uuid=run.cluster_id,
        )
        record(SYSTEM, "upgrade.end", f"run {run.pk}", result=run.state)

    @transaction.atomic
    def backup_complete(self, backup: Backup, answer: dict[str, str]) -> None:
        """Note what a complete backup is."""
        self._hold_term()
        backup.md5, backup.sha256, backup.size = answer["md5"], answer["sha256"], int(answer["size"])
        backup.update_time = backup.update_time or timezone.now()
        backup.save(update_fields=["md5", "sha256", "size", "update_time"])
