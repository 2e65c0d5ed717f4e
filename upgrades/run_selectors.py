"""The reads of runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef

from sysmgr.api.paging import Page

from . import pace
from .errors import RunNotFound
from .models import UpgradeItem, UpgradeRun
from .next_steps import next_step

WAIT_SECONDS = 25.0
_POLL_SECONDS = 0.25


def items(run: UpgradeRun) -> list[dict[str, Any]]:
    """Return the documented results of a run, in the order of its items. One query."""
    return [result(row) for row in UpgradeItem.objects.filter(run=run).order_by("ordinal")]


def result(row: UpgradeItem) -> dict[str, Any]:
    """Return an item as the documents have it."""
    return {
        "host_ip": row.host_ip,
        "service_type": row.service_type,
        "from_version": row.from_version,
        "to_version": row.to_version,
        "package_name": row.package_name,
        "state": row.state,
        "scode": row.scode,
        "message": row.message,
        "message_cn": row.message_cn,
    }


def accepted(run: UpgradeRun) -> dict[str, Any]:
    """Return the answer to an upgrade request: all of its items were accepted, or there is no run."""
    results = items(run)
    return {"upgrade_uuid": str(run.pk), "success": len(results), "fail": 0, "results": results}


def inspect(cluster_uuid: UUID, run_uuid: UUID) -> dict[str, Any]:
    """Return a run with its items, or raise RunNotFound. Queries: run, then those of `inspected`."""
    return inspected(found(cluster_uuid, run_uuid))


def found(cluster_uuid: UUID, run_uuid: UUID) -> UpgradeRun:
    """Return a run of the cluster, or raise RunNotFound. One query."""
    run = UpgradeRun.objects.filter(cluster=cluster_uuid, pk=run_uuid).first()
    if run is None:
        raise RunNotFound("upgrade_uuid")
    return run


def inspected(run: UpgradeRun) -> dict[str, Any]:
    """Return all of a run: `counts` by state, `progress`, `results` as endpoint 8, `rollback_uuid`: the newest run
    that takes it back, "" when there is none. Queries: items, rollback; of one that goes on also earlier changes and
    its pushes."""
    rows = list(UpgradeItem.objects.filter(run=run).order_by("ordinal"))
    shown = _run(run)
    first = {key: shown.pop(key) for key in ("upgrade_uuid", "state", "paused_by", "next_step")}
    rollback = run.rollbacks.order_by("-create_time").values_list("pk", flat=True).first()
    shown["rollback_uuid"] = str(rollback or "")
    told = {"counts": dict(Counter(row.state for row in rows)), "progress": progress(run, rows)}
    return {**first, **told, **shown, "results": [result(row) for row in rows]}


def progress(run: UpgradeRun, rows: Sequence[UpgradeItem]) -> dict[str, Any]:
    """Return `{ended, total, bytes, sent, seconds_left}`: items, payload bytes, and None for a time that nobody knows.
    Queries: none of a run that rests, else earlier changes and pushes."""
    left = pace.seconds_left(run, rows, {}, 0)
    if not run.rests:
        left = pace.seconds_left(run, rows, pace.learned(run.cluster_id, run.kind), pace.push_rate(run))
    return {
        "ended": sum(row.state in UpgradeItem.ENDED for row in rows),
        "total": len(rows),
        "bytes": sum(row.payload_bytes for row in rows),
        "sent": sum(min(row.sent, row.payload_bytes) for row in rows),
        "seconds_left": left,
    }


def _run(run: UpgradeRun) -> dict[str, Any]:
    english, chinese = next_step(run)
    return {
        "upgrade_uuid": str(run.pk),
        "state": run.state,
        "paused_by": run.paused_by,
        "next_step": english,
        "next_step_cn": chinese,
        "kind": run.kind,
        "origin_uuid": str(run.origin_id) if run.origin_id else "",
        "scode": run.scode,
        "message": run.message,
        "message_cn": run.message_cn,
        "author": run.author,
        "reason": run.reason,
        "options": run.options,
        "create_time": int(run.create_time.timestamp()),
        "end_time": int(run.end_time.timestamp()) if run.end_time else None,
    }


def run_list(cluster_uuid: UUID, page: Page, state: str = "") -> dict[str, Any]:
    """Return runs, newest first; `filter_name` looks at the packages' names, `state` is the runs' one or any.
    Queries: count, page."""
    rows = UpgradeRun.objects.filter(cluster=cluster_uuid).order_by("-create_time", "pk")
    rows = rows.filter(state=state) if state else rows
    if page.name:
        rows = rows.filter(Exists(UpgradeItem.objects.filter(run=OuterRef("pk"), package_name__icontains=page.name)))
    return page.cut(rows, _run)


def wait(run: UpgradeRun, seconds: float = WAIT_SECONDS) -> None:
    """Return when the run rests, or after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        run.refresh_from_db()
        if run.rests:
            return
        time.sleep(_POLL_SECONDS)
