"""One item on its host: the host's steps in order, each state committed before its effect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async

from sysmgr.errors import SysmgrError
from upgrades.errors import HostUnreachable, StepFailed, Unproven
from upgrades.health.errors import UndrainFailed
from upgrades.models import Backup, UpgradeItem, UpgradeRun
from upgrades.package.errors import PackageDigestWrong, PackageNotWritten
from upgrades.package.manifest import Manifest
from upgrades.transports.base import Transport

from . import health_journal
from .health import UNWELL, Health
from .journal import Made
from .lacking import bytes_of, lacking
from .payloads import payload
from .reasons import of
from .spec import spec_of
from .stepping import PAUSES, Stepping
from .together import Together

DIGEST_MISMATCH, NAME_TAKEN, UNPROVEN = 17, 20, 21
STEP_SECONDS = 1800.0
_HOOKS, _LONGEST_HOOK = 6, 3600
_TELLING = ("backup", "activate.stop", "activate", "verify", "rollback.stop", "rollback")  # marks: how far it came
_WITH_HOOKS = ("check", "drain", "activate", "verify", "undrain", "rollback")
State = UpgradeItem.State
Kind = UpgradeRun.Kind


class Task(Stepping):
    """An item with all that its steps need."""

    def __init__(
        self, item: UpgradeItem, together: Together, transport: Transport, package: tuple[Manifest, Path] | None
    ) -> None:
        """`package`: manifest and unpacked folder. None where the run brings no package; in an upgrade, when it
        went bad, and then only the way back is left."""
        super().__init__()
        self.item, self.together, self.transport, self.package = item, together, transport, package
        self.journal = together.journal
        self.health = Health(self)
        self.sent = 0  # bytes of its payload that went out by now, those of every try
        # Somebody drove this item before: the host may be further than the database says.
        self.resumed = item.state not in (State.PENDING, State.PUSHING)

    @property
    def manifest(self) -> Manifest:
        """The checked manifest."""
        assert self.package is not None
        return self.package[0]

    @property
    def brings(self) -> bool:
        """Whether the item brings a package's files; else the host has all that its steps need."""
        return self.item.run.kind == Kind.UPGRADE

    @property
    def payload_kb(self) -> int:
        """The size of the item's payload in KiB; of a backup, which is packed, an estimate."""
        if not self.brings:
            return 2 * (self.item.source.size or 0) // 1024 if self.item.source else 0
        return sum(entry.size for _, entry in self.manifest.files_of(self.item.service_type)) // 1024

    def _seconds(self, step: str) -> float:
        """How long a step may take at most: a rollback may run each hook four times (both releases, and waiting
        for status), and waits first for a hook that a killed step left behind. The hooks of a restore are known
        to its host alone."""
        if not self.brings:
            return STEP_SECONDS + (4 * _HOOKS + 1) * _LONGEST_HOOK * (step in _WITH_HOOKS)
        if self.package is None:
            return STEP_SECONDS
        commands = self.manifest.services[self.item.service_type].commands.values()
        limits = [command.seconds for command in commands]
        return STEP_SECONDS + 4 * sum(limits) + max(limits, default=0) + 10

    def spec(self) -> bytes:
        """Return what the host keeps of this task."""
        return spec_of(self.item, self.manifest if self.brings else None)

    async def push(self) -> None:
        """Bring spec and payload to the host; nothing of the running service changes. A failure ends the item."""
        if self.item.state == State.PENDING:
            await self.move(State.PUSHING)
        try:
            await self.step("spec", stdin=self.spec() if self.brings else await sync_to_async(self.spec)())
            if self.brings:
                await self._bring()
        except HostUnreachable as failure:
            # What has come stays there: the next try goes on with it.
            await self.move(State.FAILED, failure)
        except (StepFailed, PackageDigestWrong, PackageNotWritten) as failure:
            await self.move(State.FAILED, failure)
            await self.clean()

    async def _bring(self) -> None:
        """Push what the host lacks. Where the beginning of a file that was there turns out wrong, the host forgets it
        and is asked once more."""
        files = [entry for _, entry in self.manifest.files_of(self.item.service_type)]
        pauses, again = list(PAUSES), True
        while True:
            wanted = lacking((await self.step("need")).output, files)
            self.item.payload_bytes = self.sent + bytes_of(wanted, files)
            try:
                await self.step("push", stdin=partial(self._payload, wanted))
                return
            except HostUnreachable as failure:
                if not pauses or of(failure).definite:
                    raise
                await asyncio.sleep(pauses.pop(0))
            except StepFailed as failure:
                if not again or failure.params["code"] != DIGEST_MISMATCH:
                    raise
                again = False

    async def _payload(self, wanted: dict[int, int]) -> AsyncIterator[bytes]:
        """Yield these files as a fresh stream: a step that is tried again reads them again."""
        assert self.package is not None
        async for block in payload(self.package[1], self.manifest, self.item.service_type, wanted):
            self.sent += len(block)
            yield block

    async def change(self) -> None:
        """Back up, stage, activate, verify, commit; a failure ends as failed, rolled_back or inconsistent."""
        try:
            if self.resumed and await self._committed_there():
                await self._commit()
            elif self.item.state == State.ROLLING_BACK:
                await self._back()
            else:
                await self._forward()
        except (StepFailed, HostUnreachable, *UNWELL) as failure:
            await self.take_back(failure)

    async def take_back(self, cause: SysmgrError) -> None:
        """End an item that can't go forward: by rollback where the service may have been changed."""
        if self.item.state == State.VERIFYING and await self._committed_there():
            await self._commit()
            return
        if self.item.state in (State.PUSHING, State.BACKING_UP, State.STAGING):
            drained = await self.health.undrain() if self.item.state == State.STAGING else None
            await self._end(State.FAILED, cause, drained)
            return
        if self.item.state != State.ROLLING_BACK:
            await self.move(State.ROLLING_BACK, cause)
        await self._back()

    async def _committed_there(self) -> bool:
        """Whether the host committed this task before the database heard of it; a silent host says no."""
        return (await self._marks()).get("commit") == "done"

    async def _marks(self) -> dict[str, str]:
        """Return how far the host's marks say that the steps came; of a silent host none."""
        try:
            result = await self.step("inspect")
        except (StepFailed, HostUnreachable):
            return {}
        words = (line.split(" ") for line in result.output.splitlines())
        return {step: state for kind, step, state, *_ in (three + ["", ""] for three in words) if kind == "marker"}

    async def _forward(self) -> None:
        backup = None
        if self.item.state == State.PUSHING:
            unwell = await self.health.before()
            if unwell:
                await sync_to_async(health_journal.leave_out)(self.journal, self.item, unwell)
                await self.clean()
                return
            backup = await self.move(State.BACKING_UP)
        if self.item.state == State.BACKING_UP:
            made = await self._backup(backup or await self.together.claim(self.item))
            if self.item.run.kind == Kind.BACKUP:
                await self._end(State.COMMITTED, None, made=made)
                return
            await self.move(State.STAGING, made=made)
        if self.item.state == State.STAGING:
            await self.step("stage")
            await self.health.drain()
            await self.move(State.ACTIVATING)
        if self.item.state == State.ACTIVATING:
            await self.step("activate")
            await self.move(State.VERIFYING)
        await self.step("verify")
        await self.health.after()
        await self.health.soak()
        await self.step("commit")
        await self._commit()

    async def _commit(self) -> None:
        """Note what the host has committed; whatever state the database was in."""
        await self._end(State.COMMITTED, None, await self.health.undrain())

    async def _back(self) -> None:
        """Roll back; the cause stands with the item since it began to roll back."""
        try:
            await self.step("rollback")
        except (StepFailed, HostUnreachable) as error:
            marks = await self._marks() if isinstance(error, StepFailed) else {}
            # The host may have committed right before it fell silent: then it refuses to go back.
            if marks.get("commit") == "done":
                await self._commit()
                return
            reason = str(error.params["reason"])
            found = ", ".join(f"{step} {marks[step]}" for step in _TELLING if step in marks)
            about: dict[str, Any] = {"host": self.item.host_ip, "service": self.item.service_type}
            about["reason"] = f"{reason} (its marks: {found})" if found else reason
            await self.move(State.INCONSISTENT, Unproven(**about))
            return
        await self._end(State.ROLLED_BACK, None, await self.health.undrain())

    async def _end(
        self,
        state: str,
        error: SysmgrError | None,
        drained: UndrainFailed | None = None,
        made: Made | None = None,
    ) -> None:
        """End an item; where its service is still without work, the message says that too, after why it went back."""
        await self.move(state, error, made)
        if drained is not None:
            await sync_to_async(health_journal.say_also)(self.journal, self.item, drained)
        await self.clean()

    async def clean(self) -> None:
        """Remove what was needed on the way; a failure here changes nothing of the outcome."""
        try:
            await self.step("cleanup")
        except (StepFailed, HostUnreachable):
            return

    async def _backup(self, backup: Backup) -> Made:
        while True:
            try:
                result = await self.step("backup", backup.package_name)
            except StepFailed as error:
                if error.params["code"] != NAME_TAKEN:
                    raise
                await sync_to_async(self.journal.rename)(backup)
                continue
            return Made(backup, result.values())

    async def move(self, state: str, error: SysmgrError | None = None, made: Made | None = None) -> Backup | None:
        """Commit the item's next state, and its backup that was made; return the one that is to be made now."""
        return await self.together.move(self.item, state, error, made, **self.facts())
