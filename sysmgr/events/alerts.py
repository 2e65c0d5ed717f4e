"""Opening and closing alerts: one open alert for each cause, whoever notices it and however often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from sysmgr.audit.services import Actor, record

from .errors import AlertNotFound
from .models import Alert, Event
from .services import emit

_TRIES = 10


@dataclass(frozen=True)
class Trouble:
    """What an alert says while its cause lasts."""

    message: str
    message_cn: str
    severity: str = Event.Severity.WARNING
    cluster_uuid: UUID | None = None


def raise_alert(key: str, trouble: Trouble) -> None:
    """Open the alert of a cause, or count once more in the open one. Safe to call from everywhere at once."""
    for _ in range(_TRIES):  # it may be closed and opened by others between the two
        if _again(key, trouble) or _opened(key, trouble):
            return


def _again(key: str, trouble: Trouble) -> bool:
    told = {"message": trouble.message[:1024], "message_cn": trouble.message_cn[:1024], "severity": trouble.severity}
    open_ones = Alert.objects.filter(key=key, close_time=None)
    return bool(open_ones.update(count=F("count") + 1, last_time=timezone.now(), **told))


def _opened(key: str, trouble: Trouble) -> bool:
    now = timezone.now()
    try:
        with transaction.atomic():
            alert = Alert.objects.create(
                key=key,
                cluster_uuid=trouble.cluster_uuid,
                severity=trouble.severity,
                message=trouble.message[:1024],
                message_cn=trouble.message_cn[:1024],
                open_time=now,
                last_time=now,
            )
            _emit("opened", alert, alert.severity)
    except IntegrityError:
        return False
    return True


@transaction.atomic
def clear_alert(key: str) -> bool:
    """Close the open alert of a cause; False when there is none."""
    alert = Alert.objects.filter(key=key, close_time=None).first()
    if alert is None or not Alert.objects.filter(pk=alert.pk, close_time=None).update(close_time=timezone.now()):
        return False
    _emit("closed", alert, Event.Severity.INFO)
    return True


def reconcile(prefix: str, troubles: Mapping[str, Trouble]) -> None:
    """Make the open alerts below `prefix` those of `troubles` (by key): new ones open, vanished ones close."""
    open_keys = set(Alert.objects.filter(key__startswith=prefix, close_time=None).values_list("key", flat=True))
    for key in sorted(open_keys - troubles.keys()):
        clear_alert(key)
    for key in sorted(troubles.keys() - open_keys):
        raise_alert(key, troubles[key])


@transaction.atomic
def acknowledge(alert_uuid: UUID, cluster_uuid: UUID | None, actor: Actor) -> Alert:
    """Note that somebody looks after it; the first one stays noted. Raises AlertNotFound."""
    rows = Alert.objects.filter(pk=alert_uuid)
    if cluster_uuid is not None:
        rows = rows.filter(Q(cluster_uuid=cluster_uuid) | Q(cluster_uuid=None))
    now = timezone.now()
    moved = rows.filter(acknowledge_time=None).update(acknowledge_time=now, acknowledge_by=actor.user_name[:64])
    alert = rows.first()
    if alert is None:
        raise AlertNotFound("alert_uuid")
    if moved:
        record(actor, "alert.acknowledge", f"alert {alert.pk} {alert.key}")
    return alert


def _emit(what: str, alert: Alert, severity: str) -> None:
    emit(
        f"alert.{what}",
        alert.pk,
        alert.message,
        alert.message_cn,
        cluster_uuid=alert.cluster_uuid,
        severity=severity,
        key=alert.key,
    )
