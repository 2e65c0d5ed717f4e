"""What the engine writes about a host that fell silent in mid-change: whoever watches the run sees why it stands."""

from __future__ import annotations

from django.db import transaction

from sysmgr.events.models import Event
from sysmgr.events.services import emit
from upgrades.models import UpgradeItem

from .journal import Journal


@transaction.atomic
def waits(journal: Journal, item: UpgradeItem, step: str, seconds: float, reason: str) -> None:
    """Tell that a host is waited for. `seconds`: how long at most, what asking itself takes left out."""
    journal.hold_term()
    minutes = max(1, round(seconds / 60))
    emit(
        "upgrade.item.waiting",
        item.run_id,
        f"{item.host_ip} {item.service_type}: the host is silent in {step} and is asked again for {minutes} min "
        f"({reason})",
        f"{item.host_ip} {item.service_type}：主机在步骤 {step} 中无响应，将在 {minutes} 分钟内继续重试（{reason}）",
        cluster_uuid=item.run.cluster_id,
        severity=Event.Severity.WARNING,
        host_ip=item.host_ip,
        service_type=item.service_type,
        step=step,
        seconds=round(seconds),
    )
