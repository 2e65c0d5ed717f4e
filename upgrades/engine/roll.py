"""The scheduler of one run: which host is begun when, and what must be right before it is.

All of it is worked out anew from the items' states, so that whoever drives the run next goes on with the same stage:
nothing about how far the canary or the batches are is kept anywhere else.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from asgiref.sync import sync_to_async

from cluster.leader import LostLeadership
from cluster.models import Host
from sysmgr.errors import SysmgrError
from upgrades import away, limits
from upgrades.health import gate
from upgrades.models import UpgradeItem, UpgradeRun
from upgrades.rolling_errors import GateRed, RebootRequired, WindowOver
from upgrades.ssh_errors import UNHEARD

from .asking import at_once, type_tasks
from .run_journal import RunJournal
from .slots import Slots
from .task import State, Task
from .together import looks

_ENDED, _NOT_BEGUN, _UNDER_WAY = UpgradeItem.ENDED, UpgradeItem.NOT_BEGUN, UpgradeItem.UNDER_WAY
PausedBy = UpgradeRun.PausedBy


class Roll:
    """One pass over a run's hosts: preload all, then change them in stages."""

    def __init__(
        self, run: UpgradeRun, journal: RunJournal, items: list[UpgradeItem], unusable: SysmgrError | None
    ) -> None:
        """`items`: all of the run; `unusable`: why its package went bad, and then only what has begun is ended."""
        self.run, self.journal, self.items, self.unusable = run, journal, items, unusable
        self.preloaded = True
        self._look = looks(journal, run)

    async def go(self, tasks: type_tasks) -> None:
        """Bring what has begun to its end, whatever the run's state is; then begin what may be begun."""
        self.leader, self.managers = await sync_to_async(away.managers)()
        every = list(dict.fromkeys(item.host_ip for item in self.items))
        self.slots = Slots(self.run.cluster_id, limits.slots(self.run.options, len(every)))
        self.hosts = asyncio.Semaphore(limits.max_parallel(self.run.options))
        await self._end_what_has_begun(tasks)
        await at_once(self._preload(mine) for mine in tasks.values())
        self.slots.know(await sync_to_async(away.down)(self.run.cluster_id))
        by_address = {host.host_ip: (host, mine) for host, mine in tasks.items()}
        waiting: set[str] = set()
        while self.preloaded and await self.may_begin():
            # Anew each time: a host that was left out meanwhile was no canary.
            order = limits.in_order([host for host in every if not self._left_out(host)], self.managers, self.leader)
            if not await self._past_points(order):
                return
            before, waiting = waiting, {item.host_ip for item in self.items if item.state in _NOT_BEGUN}
            stages = limits.stages(order, self.run.options, self.leader)
            stage = next((hosts for hosts in stages if waiting & set(hosts)), [])
            if not stage or waiting == before:
                return
            await at_once(self._change_host(*by_address[host]) for host in stage if host in by_address)

    def _left_out(self, host_ip: str) -> bool:
        return all(item.state == State.SKIPPED for item in self.items if item.host_ip == host_ip)

    async def _end_what_has_begun(self, tasks: type_tasks) -> None:
        """Go on with what a former leader, or a pass before, had begun; and clean up after what he had ended."""
        every = [task for mine in tasks.values() for task in mine]
        for task in every:
            if task.item.state in _UNDER_WAY:
                self.slots.occupy(_place(task))

        async def end(task: Task) -> None:
            async with self.hosts:
                if task.item.state in _UNDER_WAY:
                    await self._change(task)
                elif task.resumed and task.item.state != State.INCONSISTENT:
                    await task.clean()  # a former leader may have died between the end and its cleanup

        await at_once(end(task) for task in every if task.item.state not in _NOT_BEGUN)

    async def _preload(self, mine: list[Task]) -> None:
        async with self.hosts:
            for task in mine:
                if task.item.state in _NOT_BEGUN:
                    if await self.may_begin():
                        await task.push()
                    else:
                        self.preloaded = False

    async def _change_host(self, host: Host, mine: list[Task]) -> None:
        async with self.hosts:
            begun = False
            for task in mine:
                if task.item.state not in _NOT_BEGUN:
                    continue
                got = await self.slots.take(_place(task), self.may_begin)
                if got is False:
                    await self._none_to_spare(task.item.service_type)
                if not got:
                    return
                granted = False
                try:
                    granted = await self.may_begin() and (begun or await self._may_begin_host(host))
                finally:
                    if not granted:  # whoever waits for the slot of this service gets it
                        self.slots.give(_place(task))
                if not granted:
                    return
                begun = True
                await self._change(task)

    async def _change(self, task: Task) -> None:
        """Bring an item to its end, and give its slot back, unless it stays away: nobody can tell what runs there, or
        the host must be rebooted first."""
        try:
            if self.unusable is not None:
                await task.take_back(self.unusable)
            else:
                await task.change()
        except RebootRequired as error:
            await self._reboot(task, error)
        finally:
            silent = task.item.state == State.FAILED and task.item.scode in UNHEARD
            stays_away = silent or task.item.state == State.INCONSISTENT or task.item.state in _UNDER_WAY
            self.slots.give(_place(task), stays_away)

    async def _reboot(self, task: Task, error: RebootRequired) -> None:
        """Let the run rest until somebody has rebooted the host; one that is cancelled goes back without it."""
        await sync_to_async(self.journal.rest)(self.run, PausedBy.REBOOT, error)
        if self.run.state == UpgradeRun.State.CANCELLING:
            await task.take_back(error)

    async def may_begin(self) -> bool:
        """Whether a further item may be begun: no operator wants the run to rest, and not too many failed."""
        if self.unusable is not None:
            return False
        await self._look(None)
        if self.run.state != UpgradeRun.State.RUNNING:
            return False
        if self.reached():
            if not self.rolls_back:
                await sync_to_async(self.journal.rest)(self.run, PausedBy.THRESHOLD)
            return False
        return True

    @property
    def rolls_back(self) -> bool:
        """Whether the threshold takes back what was committed."""
        return bool(self.run.options.get("on_threshold") == "rollback")

    def reached(self) -> bool:
        """Whether so many items failed that no further one is begun."""
        failed = sum(item.state in UpgradeItem.BAD for item in self.items) - self.run.forgiven
        return failed >= limits.threshold(self.run.options, len(self.items))

    async def _may_begin_host(self, host: Host) -> bool:
        """What is asked between hosts: whether the window is still open, and whether the cluster can miss one."""
        end = self.run.options.get("not_after")
        if end is not None and time.time() >= end:
            told = f"{datetime.fromtimestamp(end, UTC):%Y-%m-%d %H:%M:%S} UTC"
            await sync_to_async(self.journal.rest)(self.run, PausedBy.WINDOW, WindowOver(end=told))
            return False
        reason = await gate.closed(self.run.cluster)  # as the last look found it
        if reason:
            await sync_to_async(self.journal.rest)(self.run, PausedBy.GATE, GateRed(reason=reason))
            return False
        if host.host_ip == self.leader:
            others = bool(self.managers - {self.leader})
            if await sync_to_async(self.journal.own_host)(self.run, host.host_ip, others):
                raise LostLeadership(f"{host.host_ip} is our own host: another manager leads its upgrade")
        return True

    async def _past_points(self, order: list[str]) -> bool:
        """Pause after the hosts that are pause points, once each."""
        left = {item.host_ip for item in self.items if item.state not in _ENDED}
        ended = {item.host_ip for item in self.items} - left
        points = limits.points_due(order, self.run.options, ended)
        if points:
            await sync_to_async(self.journal.rest)(self.run, PausedBy.PAUSE_POINT, points=points)
        return not points

    async def _none_to_spare(self, service: str) -> None:
        hosts = self.slots.away(service)
        reason = f"{', '.join(hosts[:10])}: {service} is away already, and {self.slots.most[service]} may be at once"
        await sync_to_async(self.journal.rest)(self.run, PausedBy.GATE, GateRed(reason=reason))


def _place(task: Task) -> tuple[str, str]:
    return task.item.host_ip, task.item.service_type
