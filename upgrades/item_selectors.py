"""The read of one item of a run: why it is as it is, and what its steps took and said."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sysmgr.errors import InvalidInput, Problem

from .engine.reasons import REASONS, UNEXPECTED
from .models import StepLog, UpgradeItem
from .run_selectors import found, result

STEPS_SHOWN = 200


def inspect(cluster_uuid: UUID, run_uuid: UUID, host_ip: str, service_type: str) -> dict[str, Any]:
    """Return an item with its newest STEPS_SHOWN steps, oldest first; raise RunNotFound or InvalidInput. Queries: run,
    item, steps, and their count where there are more."""
    run = found(cluster_uuid, run_uuid)
    item = UpgradeItem.objects.filter(run=run, host_ip=host_ip, service_type=service_type).first()
    if item is None:
        raise InvalidInput([Problem("host_ip", "this service of it is not in the run", "该任务不包含此主机的该服务")])
    logs = StepLog.objects.filter(item=item)
    shown = list(logs.order_by("-pk")[: STEPS_SHOWN + 1])
    left_out = logs.count() - STEPS_SHOWN if len(shown) > STEPS_SHOWN else 0
    reason = REASONS.get(item.reason, UNEXPECTED)
    return {
        "upgrade_uuid": str(run.pk),
        **result(item),
        "reason": item.reason,
        "definite": item.definite,
        "next_step": reason.todo if item.reason else "",
        "next_step_cn": reason.todo_cn if item.reason else "",
        "skip_reason": item.skip_reason,
        "begin_time": _seconds(item.begin_time),
        "end_time": _seconds(item.end_time),
        "soak_until": _seconds(item.soak_until),
        "payload_bytes": item.payload_bytes,
        "sent": item.sent,
        "left_out": left_out,
        "steps": [_step(log) for log in reversed(shown[:STEPS_SHOWN])],
    }


def _seconds(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment else None


def _step(log: StepLog) -> dict[str, Any]:
    return {
        "task": str(log.task),
        "step": log.step,
        "begin_time": int(log.begin_time.timestamp()),
        "seconds": log.seconds,
        "code": log.code,
        "sent": log.sent,
        "rate": round(log.sent / log.seconds) if log.sent and log.seconds else 0,
        "text": log.text,
    }
