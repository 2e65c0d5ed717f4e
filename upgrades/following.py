"""Following a run from the database: what its items are at now, and what happened since the last look."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from cluster.models import Cluster
from sysmgr.events.models import Event

from . import pace
from .errors import RunNotFound
from .models import UpgradeItem, UpgradeRun

EVENTS = 500  # a look
# Events become visible as they commit, and then one may come before another with a lower key: so far back it looks.
_BACK = 200
_COLUMNS = (
    "ordinal",
    "host_ip",
    "service_type",
    "state",
    "message",
    "reason",
    "payload_bytes",
    "sent",
    "begin_time",
    "end_time",
)


class Look(NamedTuple):
    """What one look found."""

    run: UpgradeRun
    items: list[UpgradeItem]
    events: list[Event]
    seconds_left: int | None
    rate: float  # bytes/s of all pushes, since the look before


def newest(cluster: Cluster, run_uuid: UUID | None) -> UpgradeRun:
    """Return the named run of a cluster, or its newest one; raise RunNotFound. One query."""
    runs = UpgradeRun.objects.filter(cluster=cluster).order_by("-create_time", "pk")
    run = (runs if run_uuid is None else runs.filter(pk=run_uuid)).first()
    if run is None:
        raise RunNotFound
    return run


class Follow:
    """A reader's place in a run: nothing of it is kept anywhere, so whoever begins anew sees all that is there now."""

    def __init__(self, run: UpgradeRun, recent: int | None = None) -> None:
        """`recent`: so many of the events before now, else all. Queries: earlier changes, the recent event's key."""
        self.run = run
        self.earlier = pace.learned(run.cluster_id, run.kind)
        self._seen: set[int] = set()
        self._last = self._floor = 0
        if recent is not None:
            keys = Event.objects.filter(subject=run.pk).order_by("-pk").values_list("pk", flat=True)
            self._last = self._floor = next(iter(keys[recent : recent + 1]), 0)
        self._sent: tuple[float, int] | None = None
        self._rate = 0.0

    def look(self) -> Look:
        """Look once. Queries: run, items, events; in this order: of a run that rests, all events are there."""
        self.run.refresh_from_db()
        items = list(UpgradeItem.objects.filter(run=self.run).only(*_COLUMNS).order_by("ordinal"))
        events = self._new_events()
        rate = self._measure(items)
        return Look(self.run, items, events, pace.seconds_left(self.run, items, self.earlier, rate), rate)

    def _new_events(self) -> list[Event]:
        after = max(self._floor, self._last - _BACK)
        rows = Event.objects.filter(subject=self.run.pk, pk__gt=after).order_by("pk")
        fresh = [event for event in rows[: EVENTS + _BACK] if event.pk not in self._seen]
        self._seen |= {event.pk for event in fresh}
        self._last = max(self._seen, default=self._last)
        self._seen = {key for key in self._seen if key > self._last - _BACK}
        return fresh

    def _measure(self, items: Sequence[UpgradeItem]) -> float:
        now, sent = time.monotonic(), sum(item.sent for item in items)
        if self._sent is not None and sent > self._sent[1]:
            self._rate = (sent - self._sent[1]) / max(0.001, now - self._sent[0])
        if self._sent is None or sent != self._sent[1]:
            self._sent = (now, sent)
        return self._rate
