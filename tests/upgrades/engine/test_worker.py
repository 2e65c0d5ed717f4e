"""The engine's watch over its runs: one that is interrupted is driven again, and again and again is told."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connections

from cluster.models import Cluster, Host
from sysmgr.events.models import Alert
from upgrades.engine import worker
from upgrades.models import UpgradeRun

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that take no time."""
    monkeypatch.setattr(worker, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(worker, "PAUSE_SECONDS", 0.01)


def serve(monkeypatch: pytest.MonkeyPatch, go: Callable[[int], Any], until: int) -> None:
    """Let the engine drive its runs `until` so many times; `go` is told which time it is."""
    times = 0
    stop = asyncio.Event()

    class Drive:
        def __init__(self, run_uuid: UUID, term: int) -> None:
            self.run_uuid = run_uuid

        async def go(self) -> None:
            nonlocal times
            times += 1
            if times > until:
                stop.set()
            await sync_to_async(go)(times)

    monkeypatch.setattr(worker, "Drive", Drive)

    async def served() -> None:
        async with asyncio.timeout(20):
            await worker.Engine(1).serve(stop)
        await sync_to_async(connections.close_all)()

    asyncio.run(served())


def test_a_run_that_does_not_get_on_is_an_alert_until_it_does(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = UpgradeRun.objects.create(cluster=cluster)
    key = f"{worker.STUCK}{run.pk}"

    def go(time: int) -> None:
        # What was told of the time before is written before the next one begins.
        opened = Alert.objects.filter(key=key, close_time=None).exists()
        assert opened == (worker.STUMBLES < time <= worker.STUMBLES + 2)
        if time < worker.STUMBLES + 2:
            raise KeyError("secret")

    serve(monkeypatch, go, worker.STUMBLES + 3)
    alert = Alert.objects.get(key=key)
    assert (alert.state, "KeyError" in alert.message, "secret" in alert.message) == ("closed", True, False)


def test_a_database_that_is_away_for_a_while_is_no_stuck_run(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    UpgradeRun.objects.create(cluster=cluster)

    def go(time: int) -> None:
        raise OperationalError("gone")

    serve(monkeypatch, go, worker.STUMBLES + 2)
    assert not Alert.objects.filter(key__startswith=worker.STUCK).exists()


def test_the_engine_loads_what_lasts_before_its_first_run(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """SSH where a host is reached by it; and the collector leaves out what is loaded."""
    loaded: list[str] = []
    monkeypatch.setattr(worker, "import_module", loaded.append)
    gc.unfreeze()
    try:
        worker.settle()
        assert loaded == []
        assert gc.get_freeze_count() > 100_000
        Host.objects.create(cluster=cluster, host_ip="192.0.2.1", transport="ssh", root="/srv/sysmgr")
        worker.settle()
        assert loaded == ["upgrades.transports.ssh"]
    finally:
        gc.unfreeze()
