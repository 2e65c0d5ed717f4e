"""Writing the audit chain: one row as the last statement of the transaction that it describes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from .models import AuditRow

_HOSTILE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
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


def canonical(*values: Any) -> bytes:
    """Return the bytes that a digest covers: the row's values in the order of the table, without the digest itself.

    Sorted-key JSON without blanks, UTF-8.
    """
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def recordable(text: str, most: int) -> str:
    """Return a text as every database keeps it: control characters and lone surrogates escaped, cut at `most`."""
    return _HOSTILE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)[:most]


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
        user_name=recordable(actor.user_name, 64),
        door=actor.door,
        source=recordable(actor.source, 64),
        action=action,
        object=recordable(obj, 255),
        changes=list(changes),
        result=result,
        request_id=actor.request_id[:36],
        previous=previous,
    )
    covered = (row.seq, row.time, row.user_name, row.door, row.source, row.action, row.object)
    row.digest = hashlib.sha256(canonical(*covered, row.changes, row.result, row.request_id, row.previous)).hexdigest()
    row.save(force_insert=True)
    return row
