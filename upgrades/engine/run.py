"""Driving one run: package, prechecks, preload, then host by host within what the cluster can miss."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections import defaultdict
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async

from cluster.leader import LostLeadership
from cluster.models import Host, ServiceType
from sysmgr import env
from sysmgr.errors import SysmgrError
from upgrades.errors import HostUnreachable, ItemsFailed, PackageUnusable, PrecheckFailed
from upgrades.intake import store, trusted_keys
from upgrades.models import UpgradePackage, UpgradeRun
from upgrades.package.manifest import Manifest
from upgrades.package.sign import load_public_key
from upgrades.package.unpack import unpack_package
from upgrades.transports.base import Result, Transport, Unreachable
from upgrades.transports.local import LocalTransport

from .journal import Journal
from .prechecks import check
from .task import State, Task

_ENDED = (State.COMMITTED, State.FAILED, State.ROLLED_BACK, State.SKIPPED, State.INCONSISTENT)
_BAD = (State.FAILED, State.ROLLED_BACK, State.INCONSISTENT)
_NOT_BEGUN = (State.PENDING, State.PUSHING)

type_tasks = dict[Host, list[Task]]


def work_folders() -> Path:
    """Return where the manager keeps the unpacked packages of live runs, a folder each."""
    return env.DATA_DIR / "work"


class Drive:
    """One run under one leader's term. Driving a half-done run again goes on from the hosts' own markers."""

    def __init__(self, run_uuid: UUID, term: int) -> None:
        self.run_uuid = run_uuid
        self.journal = Journal(term)
        self.work = work_folders() / str(run_uuid)
        self.unusable: PackageUnusable | None = None

    async def go(self) -> None:
        """Drive the run to its end; raise LostLeadership when somebody else leads."""
        await sync_to_async(self._load)()
        if self.run.rests:
            return
        try:
            if self.run.state == UpgradeRun.State.PENDING:
                await sync_to_async(self.journal.run)(self.run, UpgradeRun.State.PRECHECKING)
            tasks = await self._tasks()
            if self.run.state == UpgradeRun.State.PRECHECKING:
                await self._precheck(tasks)
                await sync_to_async(self.journal.run)(self.run, UpgradeRun.State.RUNNING)
            else:
                await self._take_hosts(tasks)
            error = await self._roll(tasks)
        except (PackageUnusable, PrecheckFailed, HostUnreachable, ItemsFailed) as refused:
            error = refused  # only before the first change: from `running` on, each item tells its own end
        await sync_to_async(self.journal.end)(self.run, error)
        await asyncio.to_thread(shutil.rmtree, self.work, True)

    def _load(self) -> None:
        self.run = UpgradeRun.objects.select_related("cluster").get(pk=self.run_uuid)
        self.items = list(self.run.items.select_related("host", "package", "run").order_by("ordinal"))

    async def _tasks(self) -> type_tasks:
        unpacked: dict[UpgradePackage, tuple[Manifest, Path] | None] = {}
        transports: dict[Host, Transport] = {}
        tasks: type_tasks = defaultdict(list)
        for item in self.items:
            host, package = item.host, item.package
            assert host is not None and package is not None  # neither can be removed while a run is live
            if package not in unpacked:
                unpacked[package] = await self._checked(package)
            transport = transports.setdefault(host, LocalTransport(Path(host.root)))
            tasks[host].append(Task(item, self.journal, transport, unpacked[package]))
        return tasks

    async def _checked(self, package: UpgradePackage) -> tuple[Manifest, Path] | None:
        """Return the package's manifest and folder; None when it went bad under a run that is under way."""
        try:
            return await sync_to_async(self._unpack)(package)
        except PackageUnusable as error:
            if self.run.state != UpgradeRun.State.RUNNING:
                raise
            self.unusable = error
            return None

    def _unpack(self, package: UpgradePackage) -> tuple[Manifest, Path]:
        """Check the store's file against its row and its signature, and unpack it anew for this run."""
        path, folder = store(self.run.cluster) / package.package_name, self.work / package.version
        shutil.rmtree(folder, ignore_errors=True)
        self.work.mkdir(parents=True, exist_ok=True)
        keys = {key.fingerprint: load_public_key(key.public_key) for key in trusted_keys(self.run.cluster)}
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != package.sha256:
                raise PackageUnusable(name=package.package_name, reason="its digest differs")
            return unpack_package(path, folder, keys).manifest, folder
        except OSError as error:
            raise PackageUnusable(name=package.package_name, reason=error.strerror or "unreadable") from None
        except PackageUnusable:
            raise
        except SysmgrError as error:
            raise PackageUnusable(name=package.package_name, reason=error.name()) from None

    async def _ask(self, task: Task, step: str) -> Result:
        host = task.item.host_ip
        try:
            await task.transport.install()
            result = await task.transport.run(
                step, str(self.run.cluster_id), str(self.journal.term), "-", "-", seconds=120
            )
        except Unreachable as error:
            raise HostUnreachable(host=host, reason=str(error)) from None
        if result.code:
            raise PrecheckFailed(check=step, host=host, reason=result.error or f"exit {result.code}")
        return result

    async def _take_hosts(self, tasks: type_tasks) -> None:
        """Fence each host of a live run before anything else is asked of it; one that can't be reached
        or refuses says so again at its next step, which then decides about its items."""

        async def fence(task: Task) -> None:
            try:
                await self._ask(task, "fence")
            except (HostUnreachable, PrecheckFailed):
                return

        await _all(fence(mine[0]) for mine in tasks.values())

    async def _precheck(self, tasks: type_tasks) -> None:
        """Run the named checks on every host: each failure marks its item, and any one refuses the run."""
        failures: list[SysmgrError] = []
        for mine in tasks.values():
            for task in mine:
                if task.item.state == State.FAILED:  # found by a former leader
                    failures.append(ItemsFailed(count=1, all=len(self.items)))
                    continue
                try:
                    await self._ask(task, "fence")
                    check(task.item, task.payload_kb, await self._ask(task, "inspect"))
                except (PrecheckFailed, HostUnreachable) as error:
                    failures.append(error)
                    await task.move(State.FAILED, error)
        if failures:
            raise failures[0]

    async def _roll(self, tasks: type_tasks) -> SysmgrError | None:
        """Preload all hosts, then change them; return why the run failed, or None."""
        hosts = asyncio.Semaphore(int(self.run.options.get("max_parallel", 10)))
        slots = self._slots(tasks)

        async def preload(mine: list[Task]) -> None:
            async with hosts:
                for task in mine:
                    if task.item.state in _NOT_BEGUN and self.unusable is None:
                        await task.push()

        async def change(mine: list[Task]) -> None:
            async with hosts:
                for task in mine:
                    async with slots[task.item.service_type]:
                        await self._change(task)

        await _all(preload(mine) for mine in tasks.values())
        await _all(change(mine) for mine in tasks.values())
        if self.unusable is not None:
            return self.unusable
        failed = sum(item.state in _BAD for item in self.items)
        return ItemsFailed(count=failed, all=len(self.items)) if failed else None

    async def _change(self, task: Task) -> None:
        if task.item.state in _ENDED:
            if task.resumed and task.item.state != State.INCONSISTENT:
                await task.clean()  # a former leader may have died between the end and its cleanup
            return
        if task.item.state in _NOT_BEGUN and (self.unusable is not None or self._reached()):
            await task.move(State.SKIPPED)
            await task.clean()
        elif self.unusable is not None:
            await task.take_back(self.unusable)
        else:
            await task.change()

    def _reached(self) -> bool:
        """Whether so many items failed that no further one is begun: by count, by percent, or by either."""
        options = self.run.options
        limits = [options["fail_count"]] if "fail_count" in options else []
        if "fail_percent" in options:
            limits.append(max(1, len(self.items) * options["fail_percent"] // 100))
        return sum(item.state in _BAD for item in self.items) >= min(limits, default=1)

    def _slots(self, tasks: type_tasks) -> dict[str, asyncio.Semaphore]:
        """Return how many of each service may be away at once: cloud 1, storage 1, compute 10 %, at least 1."""
        given = self.run.options.get("max_unavailable", {})
        defaults = {ServiceType.CLOUD: 1, ServiceType.STORAGE: 1, ServiceType.COMPUTE: max(1, len(tasks) // 10)}
        return {str(service): asyncio.Semaphore(given.get(service, most)) for service, most in defaults.items()}


async def _all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all of it side by side; the first exception ends the rest, so that nothing of a run is driven twice."""
    try:
        async with asyncio.TaskGroup() as group:
            for coroutine in work:
                group.create_task(coroutine)
    except BaseExceptionGroup as several:
        lost = several.subgroup(LostLeadership)
        raise (lost or several).exceptions[0] from None
