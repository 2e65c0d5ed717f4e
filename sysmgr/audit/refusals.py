"""Refusals in the audit: the first of a kind at once, a flood of the same as one row a minute.

One kind is (user name, door, source, action, object). What comes within a minute after a row is counted in the tally
and becomes one later row that says how many: by the next refusal of the kind, or by the leader's job. So whoever tries
ten thousand times fills neither the chain nor the disk, and nothing is lost.
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from .models import AuditTally
from .services import Actor, record, recordable

TOGETHER = timedelta(minutes=1)
_KEPT = timedelta(hours=1)
_BATCH = 500
_TRIES = 5


def refuse(actor: Actor, action: str, obj: str) -> None:
    """Note that `actor` was refused `action` on `obj`; safe to call as often as somebody likes to try.

    Call it outside of the transaction that is refused. Queries in a flood: one.
    """
    key = _key(actor, action, obj)
    for _ in range(_TRIES):
        fresh = AuditTally.objects.filter(key=key, row_time__gt=timezone.now() - TOGETHER)
        if fresh.update(count=F("count") + 1):
            return
        if _written(key, actor, action, obj):
            return
    record(actor, action, obj, result="refused")  # nothing is lost, however many came at once


def flush() -> None:
    """Write what was counted and whose minute is over; forget kinds that nobody tried for long."""
    cut = timezone.now() - TOGETHER
    due = AuditTally.objects.filter(count__gt=0, row_time__lte=cut).order_by("row_time")
    for tally in list(due[:_BATCH]):
        with transaction.atomic():
            _write_count(tally)
    old = AuditTally.objects.filter(count=0, row_time__lt=timezone.now() - _KEPT)
    AuditTally.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:_BATCH]), count=0).delete()


def _written(key: str, actor: Actor, action: str, obj: str) -> bool:
    """Write the row of the first refusal in a minute, after what was counted before; False: somebody else did."""
    now = timezone.now()
    try:
        with transaction.atomic():
            tally = AuditTally.objects.select_for_update().filter(key=key).first()
            if tally is None:
                AuditTally.objects.create(
                    key=key,
                    user_name=recordable(actor.user_name, 64),
                    door=actor.door,
                    source=recordable(actor.source, 64),
                    action=action,
                    object=recordable(obj, 255),
                    row_time=now,
                )
            elif tally.row_time > now - TOGETHER:
                return False
            elif not tally.count:
                AuditTally.objects.filter(pk=tally.pk).update(row_time=now)
            else:
                _write_count(tally)
            record(actor, action, obj, result="refused")
    except IntegrityError:  # two at once
        return False
    return True


def _write_count(tally: AuditTally) -> None:
    """Turn the count into a row, unless it grew meanwhile."""
    now = timezone.now()
    if AuditTally.objects.filter(pk=tally.pk, count=tally.count).update(count=0, row_time=now):
        actor = Actor(tally.user_name, tally.door, tally.source)
        since = tally.row_time.strftime("%Y-%m-%dT%H:%M:%SZ")
        told: dict[str, Any] = {"count": tally.count, "since": since}
        changes = [{"path": path, "from": None, "to": value} for path, value in told.items()]
        record(actor, tally.action, tally.object, changes=changes, result="refused")


def _key(actor: Actor, action: str, obj: str) -> str:
    kind = json.dumps([actor.user_name, actor.door, actor.source, action, obj])
    return hashlib.sha256(kind.encode()).hexdigest()
