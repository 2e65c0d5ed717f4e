"""Proving the chain: every digest computed anew, and held against what was written down outside."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import anchors
from .models import AuditRow
from .services import canonical

BATCH = 1000
FIELDS = (
    "seq",
    "time",
    "user_name",
    "door",
    "source",
    "action",
    "object",
    "changes",
    "result",
    "request_id",
    "previous",
    "digest",
)


@dataclass(frozen=True)
class Verdict:
    """What came of it. `first_broken` is the number of the first row at fault, and `reason` says what is wrong."""

    intact: bool
    rows: int
    head: str
    first_broken: int | None = None
    reason: str = ""
    anchor: int | None = None  # the last row that was written down outside

    def facts(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return asdict(self)


def verify() -> Verdict:
    """Examine the whole chain, in batches so that memory stays flat. Queries: one for each 1,000 rows, and one."""
    outside = anchors.read()
    checker = _Checker(outside)
    while True:
        batch = AuditRow.objects.filter(seq__gt=checker.seq).order_by("seq").values(*FIELDS)[:BATCH]
        rows = list(batch)
        if not checker.takes(rows):
            return checker.verdict()
        if len(rows) < BATCH:
            return checker.finish()


def verify_file(path: Path) -> Verdict:
    """Examine an unfiltered JSON export by itself, without the database. Raises ValueError where it is none.

    A part that begins later is whole in itself when its rows follow from each other; `rows` says how many those are.
    """
    checker = _Checker({})
    rows = json.loads(path.read_text())
    if not isinstance(rows, list) or not all(map(_is_row, rows)):
        raise ValueError("this is no JSON export of the audit")
    if rows and rows[0]["seq"] > 1:
        checker.seq, checker.head = rows[0]["seq"] - 1, rows[0]["previous"]
    return checker.finish() if checker.takes(rows) else checker.verdict()


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and set(FIELDS) <= row.keys() and type(row["seq"]) is int


class _Checker:
    """Goes along the chain, and stops at the first row that is not what it should be."""

    def __init__(self, outside: Mapping[int, str]) -> None:
        self.seq, self.head, self.rows = 0, "", 0
        self._outside = outside
        self._broken: tuple[int, str] | None = None

    def takes(self, rows: Iterable[Mapping[str, Any]]) -> bool:
        """Check the next rows; False at the first broken one."""
        return all(self._take(row) for row in rows)

    def _take(self, row: Mapping[str, Any]) -> bool:
        wanted = self.seq + 1
        digest = hashlib.sha256(canonical(*(row[name] for name in FIELDS[:-1]))).hexdigest()
        if row["seq"] != wanted:
            self._broken = wanted, f"row {wanted} is missing; the next one is {row['seq']}"
        elif row["previous"] != self.head:
            self._broken = wanted, "it does not follow from the row before"
        elif row["digest"] != digest:
            self._broken = wanted, "its content is not what its digest says"
        elif self._outside.get(wanted, digest) != digest:
            self._broken = wanted, "another digest was written down outside: the chain was made anew"
        else:
            self.seq, self.head = wanted, digest
            self.rows += 1
            return True
        return False

    def finish(self) -> Verdict:
        """Return the verdict at the end of the chain: what was written down outside must be there."""
        last = max(self._outside, default=0)
        if last > self.seq:
            self._broken = (
                self.seq + 1,
                f"rows up to {last} were written down outside and are gone: the tail is cut",
            )
        return self.verdict()

    def verdict(self) -> Verdict:
        """Return what was found so far."""
        place, reason = self._broken or (None, "")
        last = max(self._outside, default=None)
        return Verdict(self._broken is None, self.rows, self.head, place, reason, last)
