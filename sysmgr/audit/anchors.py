"""The chain's head outside of the database, so that a cut tail shows: a file, and a mail to auditors, once a day."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from sysmgr import env
from sysmgr.events.models import Cursor
from sysmgr.events.services import emit, held_cursor

from .models import AuditRow
from .services import Actor, record

EVENT = "audit.head"
_CURSOR = "audit_head"  # the number of the last day that was written down
_LINE = re.compile(r"(\S+) (\d+) ([0-9a-f]{64})( accepted.*)?")


def heads_file() -> Path:
    """Return the file: a line for each day, `time number digest`. Copy it off the machine to be safe from root."""
    return env.DATA_DIR / "audit-heads.log"


def read() -> dict[int, str]:
    """Return {number: digest} of what was written down since an administrator last accepted a gap.

    A line that a crash cut is left out; the day's job wrote it again.
    """
    try:
        text = heads_file().read_text()
    except FileNotFoundError:
        return {}
    found: dict[int, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match:
            if match[4]:
                found.clear()
            found[int(match[2])] = match[3]
    return found


def write_daily() -> None:
    """Write the head down, the first time in a day that somebody leads; the event lets it be mailed.

    The line is on the disk before the day counts as done: a crash in between doubles it, and loses none.
    """
    today = timezone.now().toordinal()
    if Cursor.objects.filter(name=_CURSOR, number__gte=today).exists():
        return
    with transaction.atomic():
        cursor = held_cursor(_CURSOR)
        head = _head()
        if cursor.number >= today or head is None:
            return
        seq, digest = head
        _append(f"{_now()} {seq} {digest}")
        cursor.number = today
        cursor.save(update_fields=["number"])
        emit(
            EVENT,
            uuid.uuid4(),
            f"The audit has {seq} rows; the digest of the last one is {digest}.",
            f"审计共有 {seq} 行；最后一行的摘要为 {digest}。",
            seq=seq,
            digest=digest,
        )


@transaction.atomic
def accept(actor: Actor, reason: str) -> int:
    """Let the chain as it is now count from here on, as after a restored database; return its last number.

    What was written down before is kept in the file and no longer compared. The row that says so is the new head.
    """
    row = record(actor, "audit.accept", "audit chain", changes=[{"path": "reason", "from": None, "to": reason}])
    line = f"{_now()} {row.seq} {row.digest} accepted"
    transaction.on_commit(lambda: _append(line))
    return row.seq


def _head() -> tuple[int, str] | None:
    return AuditRow.objects.order_by("-seq").values_list("seq", "digest").first()


def _now() -> str:
    return timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ")


def _append(line: str) -> None:
    """Add a line and have it on the disk; what a crash left without an end gets one first."""
    path = heads_file()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                line = f"\n{line}"
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())
