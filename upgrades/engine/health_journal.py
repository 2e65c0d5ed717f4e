"""What the engine writes about a service's health: left out, watched until, still without work."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction

from cluster.clock import database_now
from cluster.leader import LostLeadership
from sysmgr.events.alerts import Trouble, clear_alert, raise_alert
from sysmgr.events.models import Event
from sysmgr.events.services import emit
from upgrades.alerts import drained
from upgrades.health.errors import UndrainFailed
from upgrades.models import UpgradeItem
from upgrades.skipping import note_missed

from .journal import Journal, Move

State = UpgradeItem.State
_WAS_UNWELL = "was unhealthy before: "


@transaction.atomic
def leave_out(journal: Journal, item: UpgradeItem, reason: str) -> None:
    """Skip an item whose service was unwell before anything was changed, and note which version it misses. It counts
    for no threshold; the run tells at its end how many were left out."""
    why = f"{_WAS_UNWELL}{reason}"[:255]
    journal.items([Move(item, State.SKIPPED, None, {"reason": why})])
    UpgradeItem.objects.filter(pk=item.pk).update(skip_reason=why)
    item.skip_reason = why
    note_missed(item.run, [item])
    emit(
        "upgrade.item.unwell",
        item.run_id,
        f"{item.host_ip} {item.service_type} is left out: it {why}",
        f"{item.host_ip} {item.service_type} 被跳过：升级前已不健康（{reason[:512]}）",
        cluster_uuid=item.run.cluster_id,
        severity=Event.Severity.WARNING,
        host_ip=item.host_ip,
        service_type=item.service_type,
    )


@transaction.atomic
def soak(journal: Journal, item: UpgradeItem, seconds: int) -> float:
    """Note once until when an item is watched; return how many seconds are left of that, by the database's clock: a
    new leader goes on with the same end."""
    journal.hold_term()
    now = database_now()
    if item.soak_until is None:
        until = now + timedelta(seconds=seconds)
        rows = UpgradeItem.objects.filter(pk=item.pk, state=State.VERIFYING, soak_until=None)
        if rows.update(soak_until=until) != 1:
            raise LostLeadership(f"{item} was moved by another leader")
        item.soak_until = until
        emit(
            "upgrade.item.soaking",
            item.run_id,
            f"{item.host_ip} {item.service_type}: watched for {seconds} s",
            f"{item.host_ip} {item.service_type}：观察 {seconds} 秒",
            cluster_uuid=item.run.cluster_id,
            host_ip=item.host_ip,
            service_type=item.service_type,
            until=int(until.timestamp()),
        )
    return min(float(seconds), (item.soak_until - now).total_seconds())


@transaction.atomic
def still_drained(journal: Journal, item: UpgradeItem, failed: UndrainFailed) -> None:
    """Tell that a service got its work not back: an event, and an alert until it has."""
    journal.hold_term()
    emit(
        "upgrade.item.still_drained",
        item.run_id,
        failed.text,
        failed.text_cn,
        cluster_uuid=item.run.cluster_id,
        severity=Event.Severity.WARNING,
        host_ip=item.host_ip,
        service_type=item.service_type,
    )
    raise_alert(_key(item), Trouble(failed.text, failed.text_cn, Event.Severity.ERROR, item.run.cluster_id))


@transaction.atomic
def undrained(journal: Journal, item: UpgradeItem) -> None:
    """Close the alert of a service that has its work back."""
    journal.hold_term()
    clear_alert(_key(item))


def _key(item: UpgradeItem) -> str:
    return drained(item.run.cluster_id, item.host_ip, item.service_type)


@transaction.atomic
def say_also(journal: Journal, item: UpgradeItem, failed: UndrainFailed) -> None:
    """Add to an item's message, which tells why it went back, that its service is still without work."""
    journal.hold_term()
    if failed.text in item.message:
        return
    item.message = f"{item.message} {failed.text}"[:1024]
    item.message_cn = f"{item.message_cn}{failed.text_cn}"[:1024]
    UpgradeItem.objects.filter(pk=item.pk).update(message=item.message, message_cn=item.message_cn)
