"""The reads of runs."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any
from uuid import UUID

from .errors import RunNotFound
from .models import UpgradeItem, UpgradeRun

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
    """Return a run with its items, or raise RunNotFound. Queries: run, items."""
    run = UpgradeRun.objects.filter(cluster=cluster_uuid, pk=run_uuid).first()
    if run is None:
        raise RunNotFound("upgrade_uuid")
    results = items(run)
    return {**_run(run), "counts": dict(Counter(item["state"] for item in results)), "results": results}


def _run(run: UpgradeRun) -> dict[str, Any]:
    return {
        "upgrade_uuid": str(run.pk),
        "state": run.state,
        "paused_by": "",
        "next_step": ""
        if run.state != run.State.FAILED
        else "Each item says why; start a new upgrade when it is mended.",
        "scode": run.scode,
        "message": run.message,
        "message_cn": run.message_cn,
        "author": run.author,
        "reason": run.reason,
        "options": run.options,
        "create_time": int(run.create_time.timestamp()),
        "end_time": int(run.end_time.timestamp()) if run.end_time else None,
    }


def run_list(cluster_uuid: UUID, page_num: int, page_size: int) -> dict[str, Any]:
    """Return runs, newest first. Queries: count, page."""
    rows = UpgradeRun.objects.filter(cluster=cluster_uuid).order_by("-create_time", "pk")
    first = page_num * page_size
    return {"total_count": rows.count(), "list": [_run(run) for run in rows[first : first + page_size]]}


def wait(run: UpgradeRun, seconds: float = WAIT_SECONDS) -> None:
    """Return when the run rests, or after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        run.refresh_from_db()
        if run.rests:
            return
        time.sleep(_POLL_SECONDS)
