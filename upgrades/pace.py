"""How long changes take, learned from those that succeeded, and how long the rest of a run takes by that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from statistics import median
from uuid import UUID

from django.db.models import Count, Sum
from django.utils import timezone

from . import limits
from .models import StepLog, UpgradeItem, UpgradeRun

_LEARN_FROM = 200
State = UpgradeItem.State
_PUSHED_LATER = UpgradeItem.NOT_BEGUN


def learned(cluster: UUID, kind: str = UpgradeRun.Kind.UPGRADE) -> dict[str, float]:
    """Return the median seconds of a change by service, without its soak, of the newest that succeeded. One query."""
    items = UpgradeItem.objects.filter(
        run__cluster=cluster, run__kind=kind, state=State.COMMITTED, begin_time__isnull=False, end_time__isnull=False
    )
    columns = ("service_type", "begin_time", "end_time", "run__options__soak_seconds")
    return _medians(items.order_by("-end_time").values_list(*columns)[:_LEARN_FROM])


def _medians(rows: Iterable[tuple[str, datetime | None, datetime | None, int | None]]) -> dict[str, float]:
    took: dict[str, list[float]] = defaultdict(list)
    for service, begin, end, soaked in rows:
        if begin and end:
            took[service].append(max(0.0, (end - begin).total_seconds() - (soaked or 0)))
    return {service: median(seconds) for service, seconds in took.items()}


def seconds_of(batches: Sequence[Sequence[limits.Place]], each: Mapping[str, float], soak: int) -> float | None:
    """Return how long batches take, one after the other; None where nothing was learned."""
    if not each:
        return None
    other = median(each.values())  # a service that was never changed here takes as long as the others
    return sum(soak + max(each.get(service, other) for _, service in batch) for batch in batches if batch)


def push_rate(run: UpgradeRun) -> float:
    """Return how many bytes a second the pushes of a run move, `max_parallel` at once as until now; 0 before the first
    has ended. One query."""
    pushes = StepLog.objects.filter(item__run=run, step="push", sent__gt=0)
    told = pushes.aggregate(sent=Sum("sent"), seconds=Sum("seconds"), hosts=Count("item__host_ip", distinct=True))
    if not told["sent"]:
        return 0.0
    at_once = min(limits.max_parallel(run.options), told["hosts"])
    return float(told["sent"] / max(0.001, told["seconds"]) * at_once)


def own(run: UpgradeRun, items: Iterable[UpgradeItem]) -> dict[str, float]:
    """Return what the run's own items took until now, as `learned` does."""
    soak = run.options.get("soak_seconds", 0)
    done = [item for item in items if item.state == State.COMMITTED]
    return _medians((item.service_type, item.begin_time, item.end_time, soak) for item in done)


def seconds_left(
    run: UpgradeRun, items: Sequence[UpgradeItem], earlier: Mapping[str, float], rate: float
) -> int | None:
    """Return about how many seconds a run still works, by its own pace, else by `earlier` ones; `rate` in bytes/s is
    that of its pushes (0: not known). None before anything is known, and while nothing goes on; 0 once it ended."""
    if run.ended:
        return 0
    each = {**earlier, **own(run, items)}
    todo = [(item.host_ip, item.service_type) for item in items if item.state not in UpgradeItem.ENDED]
    options = dict(run.options)
    if len(todo) < len(items):
        options["canary"] = 0  # the small batches of the beginning are over
    soak = int(options.get("soak_seconds", 0))
    batches = limits.batches(todo, options)
    seconds = seconds_of(batches, each, soak)
    if seconds is None or run.state == UpgradeRun.State.PAUSED:
        return None
    now = timezone.now()
    spent = [
        (now - item.begin_time).total_seconds()
        for item in items
        if item.state in UpgradeItem.UNDER_WAY and item.begin_time
    ]
    if spent:
        seconds -= min(max(spent), seconds_of(batches[:1], each, soak) or 0.0)
    to_push = sum(max(0, item.payload_bytes - item.sent) for item in items if item.state in _PUSHED_LATER)
    return round(seconds + (to_push / rate if rate else 0))
