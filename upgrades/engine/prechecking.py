"""The first state of a run: every host is asked before any of them is touched."""

from __future__ import annotations

import asyncio

from asgiref.sync import sync_to_async

from sysmgr.errors import SysmgrError
from upgrades import limits
from upgrades.errors import HostUnreachable, ItemsFailed, PrecheckFailed
from upgrades.models import UpgradeItem, UpgradeRun
from upgrades.rolling_errors import PrecheckHolds

from .asking import ask, at_once, note_heard, type_tasks
from .prechecks import check
from .run_journal import RunJournal
from .task import State, Task
from .together import looks


class Prechecking:
    """The named checks on all hosts of a run. What cannot be waived fails its item and the run; what can be waived,
    and a host that does not answer, only holds the run up."""

    def __init__(self, run: UpgradeRun, journal: RunJournal) -> None:
        self.run, self.journal = run, journal
        self.whole = True
        self.fatal: list[SysmgrError] = []
        self.held_up: list[SysmgrError] = []
        self._heard: list[int] = []
        self._look = looks(journal, run)

    async def passed(self, tasks: type_tasks) -> bool:
        """Check all hosts; raise what ends the run. False when it has to rest: an operator wants it, or a check
        holds it up."""
        hosts = asyncio.Semaphore(limits.max_parallel(self.run.options))

        async def one(mine: list[Task]) -> None:
            async with hosts:
                await self._host([task for task in mine if task.item.state in UpgradeItem.NOT_BEGUN])

        bad = sum(task.item.state == State.FAILED for mine in tasks.values() for task in mine)
        if bad > self.run.forgiven:  # found by a former leader
            raise ItemsFailed(count=bad, all=sum(map(len, tasks.values())))
        await at_once(one(mine) for mine in tasks.values())
        await sync_to_async(note_heard)(self._heard)
        if self.fatal:
            raise self.fatal[0]
        if self.held_up and self.whole:
            told = [error.params for error in self.held_up]
            problems = "; ".join(f"{p.get('check', 'reachable')} on {p['host']}: {p['reason']}" for p in told)[:768]
            why = PrecheckHolds(problems=problems, problems_cn=problems)
            await sync_to_async(self.journal.rest)(self.run, UpgradeRun.PausedBy.PRECHECK, why)
        return self.whole and not self.held_up

    async def _host(self, mine: list[Task]) -> None:
        for place, task in enumerate(mine):
            await self._look(None)
            if self.run.state != UpgradeRun.State.PRECHECKING:
                self.whole = False
                return
            try:
                if place == 0:
                    await ask(task, "fence")
                await self._item(task)
            except HostUnreachable as error:
                self.held_up.append(error)
                for left in mine[place:]:
                    await left.move(left.item.state, error)
                return
            except PrecheckFailed as error:
                self.fatal.append(error)
                await task.move(State.FAILED, error)
        self._heard += [task.item.host_id or 0 for task in mine[:1]]

    async def _item(self, task: Task) -> None:
        found = check(task.item, task.payload_kb, await ask(task, "inspect"))
        waived = limits.waived(self.run.options, task.item.host_ip)
        left = [
            PrecheckFailed(check=one.check, host=task.item.host_ip, reason=one.reason)
            for one in found
            if one.check not in waived
        ]
        final = [error for error in left if error.params["check"] not in limits.WAIVABLE]
        if final:
            raise final[0]
        if left:
            self.held_up += left
            await task.move(task.item.state, left[0])
