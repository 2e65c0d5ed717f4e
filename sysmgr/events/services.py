"""Writing events, in the transaction that causes them, and giving them their numbers afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction

from .models import Cursor, Event

_BATCH = 500


def event(
    kind: str,
    subject: UUID,
    message: str,
    message_cn: str,
    *,
    cluster_uuid: UUID | None = None,
    severity: str = Event.Severity.INFO,
    **data: Any,
) -> Event:
    """Return one event, unsaved; both texts are cut at 1,024 characters."""
    return Event(
        kind=kind,
        subject=subject,
        message=message[:1024],
        message_cn=message_cn[:1024],
        cluster_uuid=cluster_uuid,
        severity=severity,
        data=data,
    )


def emit(kind: str, subject: UUID, message: str, message_cn: str, **more: Any) -> Event:
    """Append one event, as `event` makes it."""
    made = event(kind, subject, message, message_cn, **more)
    made.save(force_insert=True)
    return made


def emit_all(events: Iterable[Event]) -> None:
    """Append several events in their order. One query."""
    Event.objects.bulk_create(events)


def number() -> int:
    """Number the events that are committed and have none yet; return how many. Call it outside a transaction.

    One at a time: whoever numbers holds the cursor's row to its commit, so numbers become visible in their order,
    and an event of a transaction that commits later gets a higher one, whatever its primary key is.
    """
    done = 0
    while Event.objects.filter(number=None).exists():
        count = _number_batch()
        done += count
        if count < _BATCH:
            break
    return done


@transaction.atomic
def _number_batch() -> int:
    cursor = held_cursor(Cursor.STREAM)
    waiting = list(Event.objects.filter(number=None).order_by("id").only("id")[:_BATCH])
    for place, event in enumerate(waiting, start=cursor.number + 1):
        event.number = place
    Event.objects.bulk_update(waiting, ["number"])
    Cursor.objects.filter(pk=cursor.pk).update(number=cursor.number + len(waiting))
    return len(waiting)


def held_cursor(name: str) -> Cursor:
    """Return a cursor's row, locked to the end of the transaction (SQLite's transactions wait at their begin)."""
    Cursor.objects.get_or_create(name=name)
    return Cursor.objects.select_for_update().get(name=name)
