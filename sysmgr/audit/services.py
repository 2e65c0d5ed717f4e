"""Writing the audit chain: one row as the last statement of the transaction that it describes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from .models import AuditRow

_CHAIN_LOCK = 0x5359534D  # "SYSM": the advisory lock that lets one writer at a time extend the chain


@dataclass(frozen=True)
class Actor:
    """Who acts, through which door, from where; user and token where there are any, for what concerns himself."""

    user_name: str
    door: str
    source: str = ""
    request_id: str = ""
    user_uuid: UUID | None = None
    token_uuid: UUID | None = None


SYSTEM = Actor("system", "system")


def canonical(row: AuditRow) -> bytes:
    """Return the bytes that the digest covers: sorted-key JSON without blanks, UTF-8."""
    body = [row.seq, row.time, row.user_name, row.door, row.source, row.action, row.object]
    body += [row.changes, row.result, row.request_id, row.previous]
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@transaction.atomic
def record(
    actor: Actor, action: str, obj: str, *, changes: Sequence[dict[str, Any]] = (), result: str = "success"
) -> AuditRow:
    """Append a row. Call it last in the transaction: its lock is held to the commit. No secrets in `changes`."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CHAIN_LOCK])
    last = AuditRow.objects.order_by("-seq").values_list("seq", "digest").first()
    seq, previous = last or (0, "")
    row = AuditRow(
        seq=seq + 1,
        time=timezone.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        user_name=actor.user_name[:64],
        door=actor.door,
        source=actor.source[:64],
        action=action,
        object=obj[:255],
        changes=list(changes),
        result=result,
        request_id=actor.request_id,
        previous=previous,
    )
    row.digest = hashlib.sha256(canonical(row)).hexdigest()
    row.save(force_insert=True)
    return row
