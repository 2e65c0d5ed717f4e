"""Slots: how many services of a kind may be away at once in a cluster, over all its runs; first come, first served."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple
from uuid import UUID
from weakref import WeakValueDictionary

Place = tuple[str, str]  # host, service
LOOK_SECONDS = 5.0


class _Waiting(NamedTuple):
    place: Place
    most: int
    down: set[Place]
    granted: asyncio.Future[bool]


class _Cluster:
    """What the runs of one cluster have away now, and who waits; one leader drives them in one event loop."""

    def __init__(self) -> None:
        self.used: set[Place] = set()
        self.gone: set[Place] = set()  # what stayed away when a run was through with it
        self.waiting: list[_Waiting] = []

    def serve(self) -> None:
        """Grant what fits, in order; tell those who wait for nobody's end that nothing will come free."""
        for one in list(self.waiting):
            service = one.place[1]
            working = {place for place in self.used if place[1] == service}
            away = working | {place for place in one.down | self.gone if place[1] == service} | {one.place}
            if len(away) <= one.most:
                self.take(one.place)
                self._tell(one, True)
            elif not working:
                self._tell(one, False)

    def take(self, place: Place) -> None:
        """Let a run have a service; what becomes of it shows when it gives it back."""
        self.used.add(place)
        self.gone.discard(place)

    def _tell(self, one: _Waiting, granted: bool) -> None:
        self.waiting.remove(one)
        if not one.granted.done():
            one.granted.set_result(granted)


_clusters: WeakValueDictionary[UUID, _Cluster] = WeakValueDictionary()


class Slots:
    """One run's view of its cluster's slots."""

    def __init__(self, cluster: UUID, most: Mapping[str, int]) -> None:
        """`most` by service."""
        self.most = most
        self.down: set[Place] = set()  # what is away whatever the run does
        self._cluster = _clusters.setdefault(cluster, _Cluster())

    def know(self, down: set[Place]) -> None:
        """Take over what the database says is away; of what runs are at work on, their slots tell."""
        self.down = down - self._cluster.used
        self._cluster.gone &= down

    async def take(self, place: Place, wanted: Callable[[], Awaitable[bool]]) -> bool | None:
        """Wait for a slot; False when none will come free, because so many are down already; None when it is not
        `wanted` any more, which is asked every LOOK_SECONDS: another run may have the slots for a day."""
        granted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        one = _Waiting(place, self.most[place[1]], self.down, granted)
        self._cluster.waiting.append(one)
        self._cluster.serve()
        try:
            while not granted.done():
                await asyncio.wait([granted], timeout=LOOK_SECONDS)
                if not granted.done() and not await wanted() and not granted.done():
                    self._cluster.waiting.remove(one)
                    return None
            return granted.result()
        except BaseException:
            if one in self._cluster.waiting:
                self._cluster.waiting.remove(one)
            elif granted.done() and not granted.cancelled() and granted.result():
                self.give(place)
            raise

    def occupy(self, place: Place) -> None:
        """Take the slot of a service that is away already: a former leader began with it."""
        self._cluster.take(place)

    def give(self, place: Place, stays_away: bool = False) -> None:
        """Give a slot back; a service that stays away counts for all runs until one of them has it again."""
        if stays_away:
            self._cluster.gone.add(place)
        self._cluster.used.discard(place)
        self._cluster.serve()

    def away(self, service: str) -> list[str]:
        """Return the hosts whose service is down."""
        return sorted(host for host, kind in self.down | self._cluster.gone if kind == service)
