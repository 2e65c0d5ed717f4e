"""How a service is before, during and after its change: what its host says of it, and the cluster's own probe."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from asgiref.sync import sync_to_async

from upgrades import limits
from upgrades.errors import HostUnreachable, StepFailed
from upgrades.health import probes
from upgrades.health.errors import ProbeUnusable, ServiceUnwell, SoakFailed, UndrainFailed
from upgrades.health.unusable import Unusable
from upgrades.models import UpgradeRun

from . import health_journal
from .spec import USAGE

if TYPE_CHECKING:
    from .task import Task

UNWELL = (ServiceUnwell, SoakFailed, ProbeUnusable)
CHECK = "health"  # the name by which it is waived for a host
STARTING = 60.0  # seconds in which the probe of a service that was just started has to pass
LOST_ONE = 5.0  # seconds in which that of one that runs has to: one lost packet is no failure
ROUND = 10.0  # seconds between two looks at a service that is watched
_CHECKS = ("status", "health")
_SILENT = 3  # so many looks in a row without an answer are a failure


class Health:
    """The health of one item's service, and whether it gets work."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._probe: dict[str, Any] | None = None

    async def before(self) -> str:
        """Return why the service is unwell already, so that nobody blames the upgrade; empty where it is well, where
        nobody can tell, where that was waived, and for whatever is no upgrade: a way back is for what is unwell.

        Raises ProbeUnusable or StepFailed; nothing was changed then.
        """
        item = self.task.item
        if item.run.kind != UpgradeRun.Kind.UPGRADE or CHECK in limits.waived(item.run.options, item.host_ip):
            return ""
        self._probe = item.run.cluster.probes.get(item.service_type) or {}  # as the last look found it
        names, task = self._of_running_release()
        try:
            reason, certain = await self._look(names, task)
        except HostUnreachable:
            return ""  # nothing is known: the next step waits for the host, and tells
        except StepFailed as error:
            if task is None or error.params["code"] != USAGE:
                raise
            reason, certain = await self._look(())  # the host has forgotten the earlier task: its commands with it
        return reason if certain else ""

    def _of_running_release(self) -> tuple[Sequence[str], UUID | None]:
        """Return the commands that can tell how the release is that runs now, and under which earlier task its host
        knows them: those of the package that brought it. Where none of ours did, those of the new package that are
        programs of the release itself, for then it is the running release's own that are run."""
        item = self.task.item
        last = self.task.together.last_change(item)
        if last is not None and last.to_version == item.from_version:
            return _CHECKS, last.task
        commands = self.task.manifest.services[item.service_type].commands if self.task.package else {}
        own = [name for name in _CHECKS if name in commands and _lies_in_release(commands[name].argv[0])]
        return own, None

    async def after(self) -> None:
        """Raise ServiceUnwell where the probe does not pass in time after the host's own checks did."""
        reason = await self._ask(STARTING)
        if reason:
            raise ServiceUnwell(**self._about(), reason=reason)

    async def soak(self) -> None:
        """Watch the service for the run's `soak_seconds`, and for what is left of them where a former leader began;
        the last look comes after the end. Raises SoakFailed at the first certain no, or where it got no answer from the
        host or the probe three times in a row."""
        seconds = int(self.task.item.run.options.get("soak_seconds", 0))
        if not seconds:
            return
        left = await sync_to_async(health_journal.soak)(self.task.journal, self.task.item, seconds)
        end, silent = time.monotonic() + left, 0
        self.task.quiet = True
        try:
            while True:
                await asyncio.sleep(ROUND if silent else max(0.0, min(ROUND, end - time.monotonic())))
                late = time.monotonic() >= end
                reason, certain = await self._look_or_wait()
                silent = silent + 1 if reason else 0
                if certain and reason or silent >= _SILENT:
                    raise SoakFailed(**self._about(), reason=reason)
                if late and not reason:
                    return
        finally:
            self.task.quiet = False

    async def drain(self) -> None:
        """Take the service's work away, where the package or the host has commands for that."""
        if not self._has("drain", "undrain"):
            return
        try:
            await self.task.step("drain")
        except StepFailed as error:
            raise StepFailed(**{**error.params, "key": "drain_failed"}) from None

    async def undrain(self) -> UndrainFailed | None:
        """Give the service its work back, whichever release it runs. A failure changes nothing of the outcome: it is
        told by an event and an alert, and returned."""
        if not self._has("undrain"):
            return None
        try:
            answer = (await self.task.step("undrain")).values().get("undrain", "")
        except (StepFailed, HostUnreachable) as error:
            answer = f"failed {error.params['reason']}"
        told, _, reason = answer.partition(" ")
        if told != "failed":
            if told == "yes":
                await sync_to_async(health_journal.undrained)(self.task.journal, self.task.item)
            return None
        failed = UndrainFailed(**self._about(), reason=reason if not reason.isdigit() else f"exit {reason}")
        await sync_to_async(health_journal.still_drained)(self.task.journal, self.task.item, failed)
        return failed

    def _about(self) -> dict[str, Any]:
        return {"host": self.task.item.host_ip, "service": self.task.item.service_type}

    def _has(self, *names: str) -> bool:
        """Whether one of these commands may be there. Of a package that is at hand we know; else the host does."""
        if self.task.item.run.kind == UpgradeRun.Kind.BACKUP:
            return False
        if self.task.package is None:
            return True
        return bool(self.task.manifest.services[self.task.item.service_type].commands.keys() & set(names))

    async def _look_or_wait(self) -> tuple[str, bool]:
        try:
            return await self._look(_CHECKS if self._has(*_CHECKS) else ())
        except (StepFailed, HostUnreachable, ProbeUnusable) as error:
            return str(error.params["reason"]), False

    async def _look(self, names: Sequence[str], task: UUID | None = None) -> tuple[str, bool]:
        """Return why the service is unwell, empty where it is not, and whether that is certain."""
        said = (await self.task.step("check", task=task)).values() if names else {}
        answers = {name: said.get(name, "-") for name in names}
        for name, answer in answers.items():
            if answer == "no":
                return f"{name} says no", True
        reason = await self._ask(LOST_ONE)
        if reason:
            return reason, True
        mute = [name for name, answer in answers.items() if answer == "unknown"]
        return (f"{mute[0]} can't be asked", False) if mute else ("", True)

    async def _ask(self, patience: float) -> str:
        """Ask the cluster's probe of the service; empty where it passes or there is none. Raises ProbeUnusable."""
        item = self.task.item
        if self._probe is None:
            cluster = await self.task.together.cluster(item.run.cluster_id)
            self._probe = cluster.probes.get(item.service_type) or {}
        if not self._probe:
            return ""
        about, probe = (str(item.run.cluster_id), item.host_ip, item.service_type), self._probe
        self._probe = None  # whoever mends it after a no is heard at the next look
        try:
            reason = await probes.ask_until(patience, probe, *about)
        except Unusable as error:
            raise ProbeUnusable(**self._about(), reason=str(error)) from None
        self._probe = None if reason else probe
        return reason


def _lies_in_release(program: str) -> bool:
    return "/" in program and not program.startswith("/")
