"""The reads of runs."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef

from sysmgr.api.paging import Page

from .errors import RunNotFound
from .models import UpgradeItem, UpgradeRun
from .next_steps import next_step

WAIT_SECONDS = 25.0
_POLL_SECONDS = 0.25


def items(run: UpgradeRun) -> list[dict[str, Any]]:
    """Return the documented results of a run, in the order of its items. One query."""
    rows = UpgradeItem.objects.filter(run=run).order_by("ordinal")
    return [
        {
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
        for row in rows
    ]


def accepted(run: UpgradeRun) -> dict[str, Any]:
    """Return the answer to an upgrade request: all of its items were accepted, or there is no run."""
    results = items(run)
    return {"upgrade_uuid": str(run.pk), "success": len(results), "fail": 0, "results": results}


def inspect(cluster_uuid: UUID, run_uuid: UUID) -> dict[str, Any]:
    """Return a run with its items, or raise RunNotFound. Queries: run, items, rollback."""
    run = UpgradeRun.objects.filter(cluster=cluster_uuid, pk=run_uuid).first()
    if run is None:
        raise RunNotFound("upgrade_uuid")
    return inspected(run)


def inspected(run: UpgradeRun) -> dict[str, Any]:
    """Return all of a run: `counts` by state, `progress` as `{ended, total}`, `results` as endpoint 8,
    `rollback_uuid`: the newest run that takes it back, "" when there is none. Queries: items, rollback."""
    results = items(run)
    counts = Counter(item["state"] for item in results)
    ended = sum(counts[state] for state in UpgradeItem.ENDED)
    shown = _run(run)
    first = {key: shown.pop(key) for key in ("upgrade_uuid", "state", "paused_by", "next_step")}
    progress = {"ended": ended, "total": len(results)}
    rollback = run.rollbacks.order_by("-create_time").values_list("pk", flat=True).first()
    shown["rollback_uuid"] = str(rollback or "")
    return {**first, "counts": dict(counts), "progress": progress, **shown, "results": results}


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
