"""The reads of the audit: lists and exports, with the same filters."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet

from sysmgr.api.paging import Page

from .chain import FIELDS
from .models import AuditRow

_BATCH = 1000
_RISKY = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Filter:
    """Which rows are asked for; empty values ask for all. Times are epoch seconds, `end` included."""

    begin: int | None = None
    end: int | None = None
    user_name: str = ""
    action: str = ""
    object: str = ""
    result: str = ""
    door: str = ""

    def rows(self) -> QuerySet[AuditRow]:
        """Return the rows, in no order yet."""
        rows = AuditRow.objects.all()
        if self.begin is not None:
            rows = rows.filter(time__gte=_text(self.begin))
        if self.end is not None:
            rows = rows.filter(time__lt=_text(self.end + 1))
        for name in ("user_name", "action", "result", "door"):
            if value := getattr(self, name):
                rows = rows.filter(**{name: value})
        return rows.filter(object__icontains=self.object) if self.object else rows

    @property
    def whole(self) -> bool:
        """Whether nothing is left out."""
        return self == Filter()


def _text(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def audit_list(wanted: Filter, page: Page) -> dict[str, Any]:
    """Return rows, newest first. Queries: count, page."""
    return page.cut(wanted.rows().order_by("-seq"), facts)


def facts(row: AuditRow) -> dict[str, Any]:
    """Return a row as the API shows it."""
    moment = datetime.strptime(row.time, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    return {
        "seq": row.seq,
        "time": int(moment.timestamp()),
        "user_name": row.user_name,
        "door": row.door,
        "source": row.source,
        "action": row.action,
        "object": row.object,
        "changes": row.changes,
        "result": row.result,
        "request_id": row.request_id,
        "digest": row.digest,
    }


def _ascending(wanted: Filter) -> Iterator[dict[str, Any]]:
    """Yield rows as they are stored, oldest first, in batches. Queries: one for each 1,000 rows, and one."""
    last = 0
    while True:
        batch = list(wanted.rows().filter(seq__gt=last).order_by("seq").values(*FIELDS)[:_BATCH])
        yield from batch
        if len(batch) < _BATCH:
            return
        last = batch[-1]["seq"]


def as_json(wanted: Filter) -> Iterator[str]:
    """Yield a JSON list, a row a line, with everything that the digests cover: it can be verified by itself."""
    before = "[\n"
    for row in _ascending(wanted):
        yield before + json.dumps(row, ensure_ascii=False)
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"


class _Echo:
    def write(self, text: str) -> str:
        return text


def as_csv(wanted: Filter) -> Iterator[str]:
    """Yield CSV (RFC 4180) with a head. A cell that a spreadsheet would run gets an apostrophe before it."""
    writer = csv.writer(_Echo())
    yield writer.writerow(FIELDS)
    for row in _ascending(wanted):
        row["changes"] = json.dumps(row["changes"], ensure_ascii=False)
        yield writer.writerow([_harmless(row[name]) for name in FIELDS])


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_RISKY) else value
