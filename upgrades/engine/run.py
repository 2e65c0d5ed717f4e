"""Driving one run: package, prechecks, preload, then host by host within what the cluster can miss."""

from __future__ import annotations

import asyncio
import shutil
from collections import defaultdict
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async

from cluster.leader import LostLeadership
from cluster.models import Host
from sysmgr.errors import SysmgrError
from upgrades import limits
from upgrades.errors import HostUnreachable, ItemsFailed, PackageUnusable, PrecheckFailed
from upgrades.models import HostHold, UpgradeItem, UpgradePackage, UpgradeRun
from upgrades.package.manifest import Manifest
from upgrades.transports import transport_of
from upgrades.transports.base import Result, Transport, Unreachable

from .fence import FENCED, outdone
from .packages import unpacked, work_folders
from .prechecks import check
from .run_journal import RunJournal
from .task import State, Task
from .together import Together

_ENDED, _BAD, _NOT_BEGUN = UpgradeItem.ENDED, UpgradeItem.BAD, UpgradeItem.NOT_BEGUN
_STOPPING = (UpgradeRun.State.PAUSING, UpgradeRun.State.CANCELLING)

type_tasks = dict[Host, list[Task]]


class Drive:
    """One run under one leader's term. Driving a half-done run again goes on from the hosts' own markers."""

    def __init__(self, run_uuid: UUID, term: int) -> None:
        self.run_uuid = run_uuid
        self.journal = RunJournal(term)
        self.together = Together(self.journal)
        self.work = work_folders() / str(run_uuid)
        self.unusable: PackageUnusable | None = None
        self._unpacked: dict[UpgradePackage, tuple[Manifest, Path] | None] = {}
        self._preloaded = False

    async def go(self) -> None:
        """Drive the run until it rests; raise LostLeadership when somebody else leads."""
        self.run = await UpgradeRun.objects.select_related("cluster").aget(pk=self.run_uuid)
        while not self.run.rests:
            await self._pass()
        await asyncio.to_thread(shutil.rmtree, self.work, True)

    async def _pass(self) -> None:
        """Do what the run's state asks for, until nothing is left to do or nothing more may be begun. The next
        pass follows only where an operator changed his mind meanwhile."""
        if self.run.state == UpgradeRun.State.PENDING:
            await sync_to_async(self.journal.take_up)(self.run)
            if self.run.rests or self.run.state == UpgradeRun.State.PENDING:
                return  # an operator was faster
        try:
            tasks = await self._tasks()
            if self.run.state == UpgradeRun.State.PRECHECKING:
                if await self._precheck(tasks):
                    await sync_to_async(self.journal.checked)(self.run)
            else:
                await self._take_hosts(tasks)
            await self._roll(tasks)
            fatal: SysmgrError | None = self.unusable
        except (PackageUnusable, PrecheckFailed, HostUnreachable, ItemsFailed) as refused:
            fatal = refused  # only before the first change: from `running` on, each item tells its own end
        if fatal is not None or self.run.state == UpgradeRun.State.CANCELLING:
            await self._leave_out()
        await sync_to_async(self.journal.settle)(self.run, fatal)

    def _load(self) -> None:
        """Load the items: no one but the leader touches them in a run that does not rest."""
        self.items = list(self.run.items.select_related("host", "package", "run", "source").order_by("ordinal"))
        self.held = set(HostHold.objects.filter(run=self.run).values_list("host", flat=True))

    def _concerns(self, item: UpgradeItem) -> bool:
        """Whether an item's host is to be asked. Of an item that ended in an earlier try, another run may have it."""
        if item.state in _ENDED:
            return item.host_id in self.held
        return item.state not in _NOT_BEGUN or self.run.state not in _STOPPING

    async def _tasks(self) -> type_tasks:
        await sync_to_async(self._load)()
        transports: dict[Host, Transport] = {}
        tasks: type_tasks = defaultdict(list)
        for item in filter(self._concerns, self.items):
            assert item.host is not None  # it can't be removed while a run holds it
            transport = transports.setdefault(item.host, transport_of(item.host))
            tasks[item.host].append(Task(item, self.together, transport, await self._package(item)))
        return tasks

    async def _package(self, item: UpgradeItem) -> tuple[Manifest, Path] | None:
        """Return what the item's steps need of its package; for one that ended nothing is needed."""
        if item.state in _ENDED or self.run.kind != UpgradeRun.Kind.UPGRADE:
            return None
        assert item.package is not None  # it can't be removed while a run uses it
        if item.package not in self._unpacked:
            self._unpacked[item.package] = await self._checked(item.package)
        return self._unpacked[item.package]

    async def _checked(self, package: UpgradePackage) -> tuple[Manifest, Path] | None:
        """Return the package's manifest and folder; None when it went bad under a run that is under way."""
        try:
            return await sync_to_async(unpacked)(package, self.run.cluster, self.work)
        except PackageUnusable as error:
            if not self.run.prechecked:
                raise
            self.unusable = error
            return None

    async def _ask(self, task: Task, step: str) -> Result:
        host = task.item.host_ip
        try:
            await task.transport.install()
            result = await task.transport.run(
                step, str(self.run.cluster_id), str(self.journal.term), "-", "-", seconds=120
            )
        except Unreachable as error:
            raise HostUnreachable(host=host, reason=str(error)) from None
        if result.code == FENCED:
            await sync_to_async(outdone)(self.journal.term, self.run.cluster_id, host, result.error)
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

    async def _precheck(self, tasks: type_tasks) -> bool:
        """Run the named checks on every host: each failure marks its item, and any one refuses the run.
        Return whether all was checked: an operator may want the run to rest."""
        failures: list[SysmgrError] = []
        whole = True
        for task in (task for mine in tasks.values() for task in mine):
            if task.item.state == State.FAILED:  # found by a former leader
                failures.append(ItemsFailed(count=1, all=len(self.items)))
            if task.item.state not in _NOT_BEGUN:
                continue
            await self._look()
            if self.run.state != UpgradeRun.State.PRECHECKING:
                whole = False
                break
            try:
                await self._ask(task, "fence")
                check(task.item, task.payload_kb, await self._ask(task, "inspect"))
            except (PrecheckFailed, HostUnreachable) as error:
                failures.append(error)
                await task.move(State.FAILED, error)
        if failures:
            raise failures[0]
        return whole

    async def _look(self) -> None:
        await sync_to_async(self.journal.look)(self.run)

    async def _roll(self, tasks: type_tasks) -> None:
        """Preload all hosts, then change them. What has begun to be changed is always brought to its end."""
        self._preloaded = True
        hosts = asyncio.Semaphore(limits.max_parallel(self.run.options))
        most = limits.slots(self.run.options, len({item.host_ip for item in self.items}))
        slots = {service: asyncio.Semaphore(count) for service, count in most.items()}

        async def preload(mine: list[Task]) -> None:
            async with hosts:
                for task in mine:
                    if task.item.state in _NOT_BEGUN:
                        if await self._may_begin():
                            await task.push()
                        else:
                            self._preloaded = False

        async def change(mine: list[Task]) -> None:
            async with hosts:
                for task in mine:
                    async with slots[task.item.service_type]:
                        await self._change(task)

        await _all(preload(mine) for mine in tasks.values())
        await _all(change(mine) for mine in tasks.values())

    async def _change(self, task: Task) -> None:
        if task.item.state in _ENDED:
            if task.resumed and task.item.state != State.INCONSISTENT:
                await task.clean()  # a former leader may have died between the end and its cleanup
        elif task.item.state in _NOT_BEGUN and not (self._preloaded and await self._may_begin()):
            return  # an operator who took a pause back meanwhile finds the rest pushed in the next pass
        elif self.unusable is not None:
            await task.take_back(self.unusable)
        else:
            await task.change()

    async def _may_begin(self) -> bool:
        """Whether a further item may be begun: no operator wants the run to rest, and not too many failed."""
        if self.unusable is not None:
            return False
        await self._look()
        if self.run.state == UpgradeRun.State.RUNNING and self._reached():
            await sync_to_async(self.journal.too_many)(self.run)
        return self.run.state == UpgradeRun.State.RUNNING

    def _reached(self) -> bool:
        failed = sum(item.state in _BAD for item in self.items) - self.run.forgiven
        return failed >= limits.threshold(self.run.options, len(self.items))

    async def _leave_out(self) -> None:
        """Remove from their hosts what was pushed and will not be begun."""

        async def leave(item: UpgradeItem) -> None:
            assert item.host is not None
            task = Task(item, self.together, transport_of(item.host), None)
            await task.clean()
            await task.move(State.SKIPPED)

        await _all(leave(item) for item in self.items if item.state == State.PUSHING)


async def _all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all of it side by side; the first exception ends the rest, so that nothing of a run is driven twice."""
    try:
        async with asyncio.TaskGroup() as group:
            for coroutine in work:
                group.create_task(coroutine)
    except BaseExceptionGroup as several:
        lost = several.subgroup(LostLeadership)
        raise (lost or several).exceptions[0] from None
