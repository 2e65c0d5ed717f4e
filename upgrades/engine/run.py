"""Driving one run: package, prechecks, then the roll over its hosts, until the run rests."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import defaultdict
from pathlib import Path
from uuid import UUID

from asgiref.sync import sync_to_async

from cluster.models import Host
from sysmgr.errors import SysmgrError
from upgrades import limits
from upgrades.backup_selectors import changes_of
from upgrades.errors import HostUnreachable, ItemsFailed, PackageUnusable, PrecheckFailed, ThresholdReached
from upgrades.intake import store
from upgrades.models import HostHold, UpgradeItem, UpgradePackage, UpgradeRun
from upgrades.package.manifest import Manifest
from upgrades.transports import transport_of
from upgrades.transports.base import Transport

from .asking import at_once, take_hosts, type_tasks
from .packages import keys_of, unpacked, work_folders
from .prechecking import Prechecking
from .roll import Roll
from .run_journal import RunJournal
from .task import State, Task
from .together import Together
from .watch import Watch

_STOPPING = (UpgradeRun.State.PAUSING, UpgradeRun.State.CANCELLING)


class Drive:
    """One run under one leader's term. Driving a half-done run again goes on from the hosts' own markers."""

    def __init__(self, run_uuid: UUID, term: int) -> None:
        self.run_uuid = run_uuid
        self.journal = RunJournal(term)
        self.watch = Watch(self.journal)
        self.together = Together(self.journal, self.watch)
        self.work = work_folders() / str(run_uuid)
        self.unusable: PackageUnusable | None = None
        self._transports: dict[Host, Transport] = {}
        self._unpacked: dict[UpgradePackage, tuple[Manifest, Path] | None] = {}

    async def go(self) -> None:
        """Drive the run until it rests; raise LostLeadership when somebody else leads."""
        self.run = await UpgradeRun.objects.select_related("cluster").aget(pk=self.run_uuid)
        try:
            while not self.run.rests and not self.run.early(time.time()):
                await self._pass()
        finally:
            await self.watch.close()
            # At once: a host that is dead takes its time, and the next drive of the run waits for the end of this one.
            await asyncio.gather(*(transport.close() for transport in self._transports.values()))
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
                if await Prechecking(self.run, self.journal).passed(tasks):
                    await sync_to_async(self.journal.checked)(self.run)
            else:
                await take_hosts(tasks, limits.max_parallel(self.run.options))
            fatal = await self._roll(tasks)
        except (PackageUnusable, PrecheckFailed, HostUnreachable, ItemsFailed) as refused:
            fatal = refused  # only before the first change: from `running` on, each item tells its own end
        if fatal is not None or self.run.state == UpgradeRun.State.CANCELLING:
            await self._leave_out()
        await sync_to_async(self.journal.settle)(self.run, fatal)

    async def _roll(self, tasks: type_tasks) -> SysmgrError | None:
        """Change hosts as far as may be; return why the run has to end before all are done."""
        roll = Roll(self.run, self.journal, self.items, self.unusable)
        await at_once([roll.go(tasks), *(task.clean() for task in self._left_behind)])
        kept = self.run.state == UpgradeRun.State.CANCELLING  # who cancels keeps what is done
        if self.unusable is None and roll.rolls_back and roll.reached() and not kept:
            failed = sum(item.state in UpgradeItem.BAD for item in self.items)
            return ThresholdReached(count=failed, all=len(self.items))
        return self.unusable

    def _load(self) -> None:
        """Load the items: no one but the leader touches them in a run that does not rest."""
        self.items = list(self.run.items.select_related("host", "package", "source").order_by("ordinal"))
        for item in self.items:
            item.run = self.run  # which every look reads anew
        self.together.changes = changes_of(self.items)
        holds = HostHold.objects.filter(host__in={item.host_id for item in self.items if item.host_id})
        holders = dict(holds.values_list("host", "run"))
        self.held = {host for host, run in holders.items() if run == self.run.pk}
        skipped = [item for item in self.items if item.skip_reason and item.host_id not in holders]
        # Something may have been pushed there before the host was left out; whether it answers now does not matter.
        self._left_behind = [
            Task(item, self.together, self._transport(item.host), None) for item in skipped if item.host is not None
        ]

    def _concerns(self, item: UpgradeItem) -> bool:
        """Whether an item's host is to be asked. Of an item that ended in an earlier try, another run may have it."""
        if item.state in UpgradeItem.ENDED:
            return item.host_id in self.held
        return item.state not in UpgradeItem.NOT_BEGUN or self.run.state not in _STOPPING

    async def _tasks(self) -> type_tasks:
        await sync_to_async(self._load)()
        tasks: type_tasks = defaultdict(list)
        for item in filter(self._concerns, self.items):
            assert item.host is not None  # it can't be removed while a run holds it
            package = await self._package(item)
            tasks[item.host].append(Task(item, self.together, self._transport(item.host), package))
        return tasks

    def _transport(self, host: Host) -> Transport:
        """Return the one connection to a host that this drive has."""
        if host not in self._transports:
            self._transports[host] = transport_of(host)
        return self._transports[host]

    async def _package(self, item: UpgradeItem) -> tuple[Manifest, Path] | None:
        """Return what the item's steps need of its package; for one that ended nothing is needed."""
        if item.state in UpgradeItem.ENDED or self.run.kind != UpgradeRun.Kind.UPGRADE:
            return None
        assert item.package is not None  # it can't be removed while a run uses it
        if item.package not in self._unpacked:
            self._unpacked[item.package] = await self._checked(item.package)
        return self._unpacked[item.package]

    async def _checked(self, package: UpgradePackage) -> tuple[Manifest, Path] | None:
        """Return the package's manifest and folder; None when it went bad under a run that is under way."""
        try:
            keys = await sync_to_async(keys_of)(self.run.cluster)
            path = store(self.run.cluster) / package.package_name
            # Not in the thread of the database: what other runs commit would wait for a large package.
            return await asyncio.to_thread(unpacked, package, path, self.work, keys)
        except PackageUnusable as error:
            if not self.run.prechecked:
                raise
            self.unusable = error
            return None

    async def _leave_out(self) -> None:
        """Remove from their hosts what was pushed and will not be begun."""

        async def leave(item: UpgradeItem) -> None:
            assert item.host is not None
            task = Task(item, self.together, self._transport(item.host), None)
            await task.clean()
            await task.move(State.SKIPPED)

        await at_once(leave(item) for item in self.items if item.state == State.PUSHING)
