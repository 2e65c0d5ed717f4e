"""Slots that somebody got and does not need: whoever waits behind him must not wait for ever."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.utils import timezone

from cluster.models import Cluster, LeaderLease
from sysmgr.audit.services import SYSTEM
from upgrades import controls
from upgrades.engine import slots
from upgrades.engine.run import Drive
from upgrades.models import UpgradeRun

from .fake import Fakes, ask, fakes, hosts, ip

__all__ = ["fakes"]
pytestmark = pytest.mark.django_db(transaction=True)
BOUND = 20.0
QUEUE = {"canary": 0, "max_unavailable": {"compute": 4, "storage": 1}}


@pytest.fixture(autouse=True)
def lead(term: int) -> None:
    """Lead for as long as a test takes."""
    LeaderLease.objects.update(expires_at=timezone.now() + timedelta(days=1))


def drive(run: UpgradeRun, term: int) -> UpgradeRun:
    """Drive the run, and fail where it waits for ever."""

    async def driven() -> None:
        try:
            async with asyncio.timeout(BOUND):
                await Drive(run.pk, term).go()
        finally:
            await sync_to_async(connections.close_all)()

    asyncio.run(driven())
    run.refresh_from_db()
    return run


def test_a_host_that_may_not_go_on_gives_the_slot_of_its_next_service_back(
    cluster: Cluster, term: int, fakes: Fakes
) -> None:
    """All hosts are through with compute and queue for the one slot of storage, when the first of them fails."""
    hosts(cluster, 4, "compute", "storage")
    fakes.failing = {(ip(0), "storage")}
    places = [(ip(place), service) for place in range(4) for service in ("compute", "storage")]
    run = drive(ask(cluster, places, **QUEUE), term)
    assert (run.state, run.paused_by) == ("paused", "threshold")
    assert [place for place in fakes.order if place[1] == "storage"] == [(ip(0), "storage")]
    controls.resume(cluster, run.pk, SYSTEM)
    assert drive(run, term).state == "failed"
    assert len(fakes.order) == 8


@pytest.mark.parametrize("call", [controls.pause, controls.cancel])
def test_a_run_that_waits_for_anothers_slot_obeys_its_operator(
    cluster: Cluster, term: int, fakes: Fakes, monkeypatch: pytest.MonkeyPatch, call: Any
) -> None:
    """The other one may be watching its host for a day: nothing of ours is under way meanwhile."""
    monkeypatch.setattr(slots, "LOOK_SECONDS", 0.1)
    hosts(cluster, 2, "storage")
    first, second = (ask(cluster, [(ip(place), "storage")]) for place in range(2))
    done = asyncio.Event()
    honest = fakes.change

    async def watched(task: Any) -> None:
        await asyncio.wait_for(done.wait(), BOUND)
        await honest(task)

    monkeypatch.setattr(fakes, "change", watched)

    async def both() -> None:
        other = asyncio.create_task(Drive(first.pk, term).go())
        waiting = asyncio.create_task(Drive(second.pk, term).go())
        while await second.items.filter(state="pushing").acount() == 0:
            await asyncio.sleep(0.05)
        await sync_to_async(call)(cluster, second.pk, SYSTEM)
        await asyncio.wait_for(waiting, BOUND)
        assert not other.done()
        done.set()
        await other
        await sync_to_async(connections.close_all)()

    asyncio.run(both())
    second.refresh_from_db()
    assert second.state == ("paused" if call is controls.pause else "cancelled")
    assert fakes.order == [(ip(0), "storage")]


def test_what_stays_away_counts_for_every_run_until_one_has_it_again() -> None:
    """A host that waits for its reboot in one run is none that another run may spare."""
    cluster, wanted = uuid4(), AsyncMock(return_value=True)
    one, other = (slots.Slots(cluster, {"storage": 1}) for _ in range(2))

    async def work() -> None:
        assert await one.take(("a", "storage"), wanted)
        one.give(("a", "storage"), stays_away=True)
        assert await other.take(("b", "storage"), wanted) is False
        assert other.away("storage") == ["a"]
        assert await other.take(("a", "storage"), wanted)
        other.give(("a", "storage"))
        assert await one.take(("b", "storage"), wanted)
        one.give(("b", "storage"), stays_away=True)
        other.know(set())  # it is back, says the database
        assert await other.take(("a", "storage"), wanted)

    asyncio.run(asyncio.wait_for(work(), BOUND))
