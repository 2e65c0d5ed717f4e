"""The reads of the stream and of alerts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet

from .models import Alert, Event
from .services import number


def stream(events: QuerySet[Event], after: int, page_size: int) -> dict[str, Any]:
    """Return `{total_count, last_number, list}` of `events` after a number, in the order of their numbers.

    A reader that passes `last_number` as the next `after` misses none and sees none twice; `total_count` counts
    those after `after`, this page included. Queries: whether some wait for a number, count, page; four more in the
    first read after something happened.
    """
    number()
    rows = events.filter(number__gt=after).order_by("number")
    page = [_event(row) for row in rows[:page_size]]
    return {
        "total_count": rows.count(),
        "last_number": page[-1]["number"] if page else after,
        "list": page,
    }


def _event(row: Event) -> dict[str, Any]:
    data = dict(row.data)
    return {
        "number": row.number,
        "time": int(row.time.timestamp()),
        "kind": row.kind,
        "severity": row.severity,
        "subject": str(row.subject),
        "host_ip": data.pop("host_ip", ""),
        "service_type": data.pop("service_type", ""),
        "message": row.message,
        "message_cn": row.message_cn,
        "data": data,
    }


def alerts(cluster_uuid: UUID | None, state: str = "") -> QuerySet[Alert]:
    """Return the alerts of a cluster and of the whole installation, open ones first, then the newest."""
    rows = Alert.objects.filter(Q(cluster_uuid=cluster_uuid) | Q(cluster_uuid=None))
    if state:
        rows = rows.filter(close_time__isnull=state == "open")
    return rows.order_by(F("close_time").desc(nulls_first=True), "-open_time", "pk")


def alert(row: Alert) -> dict[str, Any]:
    """Return an alert as it is shown; times of what has not happened are null."""
    return {
        "alert_uuid": str(row.pk),
        "key": row.key,
        "cluster_uuid": str(row.cluster_uuid or ""),
        "state": row.state,
        "severity": row.severity,
        "message": row.message,
        "message_cn": row.message_cn,
        "count": row.count,
        "open_time": int(row.open_time.timestamp()),
        "last_time": int(row.last_time.timestamp()),
        "close_time": int(row.close_time.timestamp()) if row.close_time else None,
        "acknowledge_time": int(row.acknowledge_time.timestamp()) if row.acknowledge_time else None,
        "acknowledge_by": row.acknowledge_by,
    }
