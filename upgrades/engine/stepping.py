"""The one place through which a host is asked to do a step of an item: tried again where that is safe, and watched."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.utils import timezone

from sysmgr.errors import SysmgrError
from upgrades.errors import StepFailed
from upgrades.models import StepLog, UpgradeItem
from upgrades.rolling_errors import RebootRequired
from upgrades.ssh_errors import unreachable
from upgrades.transports.base import Input, Result, Transport, Unreachable

from .fence import FENCED, outdone
from .hushed import hushed
from .reasons import REASONS
from .silence import waits
from .together import Together

LOCK_BUSY, REBOOT_REQUIRED = 13, 23
# A step waits a minute for the host's lock; giving a rollback up would leave a state that nobody can prove.
_LOCK_TRIES, _ROLLBACK_TRIES = 5, 30
# A silent host is asked again, after so many seconds each: shortly where the service is as it was, or gets its work
# back (a push goes on by its own way); in mid-change for 5 minutes, in which a host reboots; and for 10 minutes more to
# bring the old release back.
PAUSES = (2.0, 5.0)
CHANGE_PAUSES = (2.0, 5.0, 10.0, 15.0, *[30.0] * 9)
ROLLBACK_PAUSES = (2.0, 5.0, 10.0, 15.0, *[30.0] * 19)
_BESIDE = ("spec", "need", "check", "backup", "stage", "drain", "undrain")
_IN_THE_CHANGE = ("activate", "verify", "commit", "rollback")
_LOG_SECONDS = 10.0


class Stepping:
    """An item, and the way to its host."""

    item: UpgradeItem
    together: Together
    transport: Transport
    sent: int
    quiet = False  # what goes well is not noted: a service that is watched is asked again and again

    def __init__(self) -> None:
        """What was done since the item's last move: (step, seconds, bytes) each."""
        self._since: list[tuple[str, float, int]] = []

    def _seconds(self, step: str) -> float:
        """How long a step may take at most."""
        raise NotImplementedError

    async def step(self, name: str, *words: str, stdin: Input = b"", task: UUID | None = None) -> Result:
        """Run one step; raise HostUnreachable, StepFailed or RebootRequired. A busy lock is waited for, and a silent
        host asked again by itself; never what is definite. `task`: an earlier one, whose commands are meant."""
        host = self.item.host_ip
        tries = _ROLLBACK_TRIES if name == "rollback" else _LOCK_TRIES
        pauses, told = self._pauses(name), False
        while True:
            begun = time.monotonic()
            try:
                result = await self._call(name, *words, stdin=stdin, task=task)
            except Unreachable as error:
                # One that answered nothing to the end of the step's time gets no second time.
                late = time.monotonic() - begun >= self._seconds(name)
                if late or not pauses or _definite(error, name):
                    raise unreachable(host, error) from None
                if name in _IN_THE_CHANGE and not told:
                    told = True
                    await sync_to_async(waits)(self.together.journal, self.item, name, sum(pauses), str(error)[:512])
                    # Where only the connection was lost, the call before this one holds the lock until it is through.
                    tries = _ROLLBACK_TRIES
                await asyncio.sleep(pauses.pop(0))
                continue
            tries -= 1
            if result.code != LOCK_BUSY or tries == 0:
                break
        if result.code == 0:
            return result
        if result.code == FENCED:
            await sync_to_async(outdone)(self.together.journal.term, self.item.run.cluster_id, host, result.error)
        if result.code == REBOOT_REQUIRED:
            raise RebootRequired(step=name, host=host)
        raise StepFailed(step=name, host=host, reason=result.error, code=result.code)

    def _pauses(self, step: str) -> list[float]:
        """How long to wait before each further try of a step whose host is silent. Who watches a service counts
        himself how often it was."""
        if step == "rollback":
            return list(ROLLBACK_PAUSES)
        if step in _IN_THE_CHANGE:
            return list(CHANGE_PAUSES)
        return list(PAUSES) if step in _BESIDE and not self.quiet else []

    async def _call(self, name: str, *words: str, stdin: Input, task: UUID | None) -> Result:
        """Ask once, and note what came of it."""
        watch, sent, begun = self.together.watch, self.sent, time.monotonic()
        row = StepLog(item=self.item, task=self.item.task, step=name, begin_time=timezone.now())
        if watch is not None and name == "push":
            watch.streams(self)
        try:
            result = await self._ask(name, *words, stdin=stdin, seconds=self._seconds(name), task=task)
            await self._heard(result)
        except (Unreachable, SysmgrError) as error:
            self._note(row, time.monotonic() - begun, self.sent - sent, str(error))
            raise
        row.code = result.code
        seconds = time.monotonic() - begun
        said = await self._said(name, result, task) if result.code and watch is not None else ""
        self._note(row, seconds, self.sent - sent, said)
        return result

    def _note(self, row: StepLog, seconds: float, sent: int, said: str) -> None:
        if self.quiet and row.code == 0:
            return
        row.seconds, row.sent, row.text = round(seconds, 3), sent, hushed(said)
        self._since.append((row.step, row.seconds, sent))
        if self.together.watch is not None:
            if row.step == "push":
                self.together.watch.streamed(self)
            self.together.watch.note(row)

    async def _ask(
        self, name: str, *words: str, stdin: Input = b"", seconds: float, task: UUID | None = None
    ) -> Result:
        item = self.item
        call = (str(item.run.cluster_id), str(self.together.journal.term), str(task or item.task), item.service_type)
        return await self.transport.run(name, *call, *words, stdin=stdin, seconds=seconds)

    async def _heard(self, result: Result) -> None:
        """Raise Unreachable where the script told nothing: a host that goes down kills it before the connection, one
        that comes up may lack it for a moment, and one that lost its power may have an empty one."""
        if result.code == 0 and not result.output:
            await self.transport.install()
            raise Unreachable("the script there was empty")
        if result.code and not result.error:
            raise Unreachable(f"the step ended without a word (exit {result.code})")

    async def _said(self, name: str, result: Result, task: UUID | None) -> str:
        """Return what a failed step said, and after it what its log on the host has of it."""
        if result.code in (LOCK_BUSY, FENCED):
            return result.error
        try:
            told = await self._ask("log", seconds=_LOG_SECONDS, task=task)
        except Unreachable:
            return result.error
        _, _, tail = ("\n" + told.output).rpartition(f"\n--- {name}\n")
        return f"{result.error}\n{tail}" if told.code == 0 else result.error

    def facts(self) -> dict[str, Any]:
        """Return what was done since the last call of this: the step that sent bytes, else the
        longest one, and seconds and bytes of all, bytes/s."""
        done, self._since = self._since, []
        if not done:
            return {}
        seconds, sent = sum(each[1] for each in done), sum(each[2] for each in done)
        longest = max(done, key=lambda each: (each[2] > 0, each[1]))[0]
        facts: dict[str, Any] = {"step": longest, "seconds": round(seconds, 3), "bytes": sent}
        pushing = sum(each[1] for each in done if each[2])
        return {**facts, "rate": round(sent / pushing) if pushing else 0}


def _definite(error: Unreachable, step: str) -> bool:
    """Whether asking again changes nothing. A host that boots may let nobody in until it is up, though it knows us."""
    booting = step in _IN_THE_CHANGE and error.key == "authentication_refused"
    return REASONS[error.key].definite and not booting
