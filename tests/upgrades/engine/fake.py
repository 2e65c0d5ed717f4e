"""Many hosts whose steps only take time: for tests of who comes when, not of what happens there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest
from django.utils import timezone

from cluster.models import Cluster, Host, HostService
from sysmgr.audit.services import SYSTEM
from upgrades.engine import asking, prechecking
from upgrades.engine.run import Drive
from upgrades.engine.task import State, Task
from upgrades.errors import StepFailed
from upgrades.models import PackagePayload, TrustedKey, UpgradePackage, UpgradeRun
from upgrades.services import request_upgrade
from upgrades.transports.base import Result

SECONDS = 0.25


def ip(place: int) -> str:
    return f"192.0.2.{place}"


def hosts(cluster: Cluster, count: int, *services: str) -> list[str]:
    """Make hosts that run `services` in 1.0, and a package that brings them 2.0."""
    TrustedKey.objects.create(cluster=cluster, name="k", fingerprint="f")
    package = UpgradePackage.objects.create(
        cluster=cluster,
        package_name="updatepackage_2.0.tar.gz",
        version="2.0",
        size=1,
        fingerprint="f",
        update_time=timezone.now(),
    )
    for service in services:
        PackagePayload.objects.create(package=package, service_type=service, files=1, size=1)
    for place in range(count):
        host = Host.objects.create(cluster=cluster, host_ip=ip(place), transport="local", root="/nowhere")
        for service in services:
            HostService.objects.create(host=host, service_type=service, version="1.0")
    return [ip(place) for place in range(count)]


def ask(cluster: Cluster, places: Sequence[tuple[str, str]], **options: Any) -> UpgradeRun:
    items = [{"host_ip": host, "service_type": service} for host, service in places]
    return request_upgrade(cluster, items, options, SYSTEM)


class Fakes:
    """What the fakes did: when each change began and ended; which places fail."""

    def __init__(self) -> None:
        self.begun: dict[tuple[str, str], float] = {}
        self.order: list[tuple[str, str]] = []
        self.most: dict[str, int] = {}
        self.failing: set[tuple[str, str]] = set()
        self._now: list[tuple[str, str]] = []

    async def change(self, task: Task) -> None:
        """Take a while; end as committed, or rolled back."""
        place = task.item.host_ip, task.item.service_type
        self.begun[place] = time.monotonic()
        self.order.append(place)
        self._now.append(place)
        service = place[1]
        self.most[service] = max(self.most.get(service, 0), sum(kind == service for _, kind in self._now))
        if task.item.state == State.PUSHING:
            await task.move(State.BACKING_UP)
        await asyncio.sleep(SECONDS)
        self._now.remove(place)
        if place in self.failing:
            await task.move(State.ROLLED_BACK, StepFailed(step="verify", host=place[0], reason="no", code=18))
        else:
            await task.move(State.COMMITTED)

    def batches(self) -> list[set[tuple[str, str]]]:
        """Return what began together, in order: changes take equally long."""
        found: list[set[tuple[str, str]]] = []
        last = -1.0
        for place in self.order:
            if self.begun[place] - last > SECONDS * 0.8:
                found.append(set())
                last = self.begun[place]
            found[-1].add(place)
        return found


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Fakes:
    """Let hosts answer well to everything, and every change take the same time."""
    done = Fakes()

    async def push(task: Task) -> None:
        if task.item.state == State.PENDING:
            await task.move(State.PUSHING)

    async def nothing(*args: Any) -> None:
        return None

    async def well(*args: Any) -> Result:
        return Result(0, "")

    monkeypatch.setattr(Task, "push", push)
    monkeypatch.setattr(Task, "clean", nothing)
    monkeypatch.setattr(Task, "change", lambda task: done.change(task))
    monkeypatch.setattr(Drive, "_package", nothing)
    monkeypatch.setattr(asking, "ask", well)
    monkeypatch.setattr(prechecking, "ask", well)
    monkeypatch.setattr(prechecking, "check", lambda *args: [])
    monkeypatch.setattr(Task, "payload_kb", 1)
    return done
