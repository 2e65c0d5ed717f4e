"""Trying a package on a throw-away host: every step of the host-side script, once to the commit, once back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cluster.models import Host

from .engine.journal import Journal
from .engine.task import Task
from .engine.together import Together
from .errors import HostUnreachable, StepFailed
from .models import UpgradeItem, UpgradeRun
from .package.manifest import Manifest
from .package.unpack import payload_tar
from .transports.local import LocalTransport

_OLD = "0"  # the release that is replaced: the package's own files and one more, so that its commands work there
_TO_THE_CHECK = ("spec", "push", "backup", "stage", "drain", "activate", "verify")
_SCENARIOS = {
    "upgrade": (*_TO_THE_CHECK, "undrain", "commit", "cleanup"),
    "rollback": (*_TO_THE_CHECK, "rollback", "undrain", "cleanup"),
}
_OF_SOME = ("drain", "undrain")  # steps that are tried where the package has such commands
_LOG_TAIL = 600


@dataclass(frozen=True)
class Outcome:
    """What one step of one scenario did; `message` says why it failed."""

    service: str
    scenario: str
    step: str
    ok: bool
    seconds: float
    message: str


def try_package(manifest: Manifest, unpacked: Path, folder: Path, told: Callable[[Outcome], None]) -> bool:
    """Try each service of a checked and unpacked package on hosts below `folder`; True when every step did well."""
    well = True
    for service in manifest.services:
        for scenario in _SCENARIOS:
            root = folder / f"{service}-{scenario}"
            trial = _Trial(manifest, unpacked, root, service, scenario, told)
            try:
                well = asyncio.run(trial.go()) and well
            finally:
                _end_processes(root)
    return well


class _Trial:
    def __init__(
        self,
        manifest: Manifest,
        unpacked: Path,
        root: Path,
        service: str,
        scenario: str,
        told: Callable[[Outcome], None],
    ) -> None:
        self.manifest, self.unpacked, self.root = manifest, unpacked, root.resolve()
        self.service, self.scenario, self.told = service, scenario, told
        run = UpgradeRun(cluster_id=uuid.uuid4())  # none of these rows is ever stored
        self.item = UpgradeItem(run=run, host=Host(host_ip="throw-away"), host_ip="throw-away", service_type=service)
        self.item.from_version, self.item.to_version = _OLD, manifest.version
        self.transport = LocalTransport(self.root)
        self.task = Task(self.item, Together(Journal(1)), self.transport, (manifest, unpacked))
        self.old = self.root / service / "releases" / _OLD
        self.current = self.root / service / "current"

    async def go(self) -> bool:
        """Run the scenario to its end or to the first step that fails."""
        if not await self._timed("prepare", self._prepare):
            return False
        commands = self.manifest.services[self.service].commands
        for step in ("fence", "inspect", *_SCENARIOS[self.scenario]):
            if step in _OF_SOME and step not in commands:
                continue
            if not await self._timed(step, partial(self._step, step)):
                return False
        return await self._timed("result", self._result)

    async def _timed(self, step: str, work: Callable[[], object]) -> bool:
        begun, message = time.monotonic(), ""
        try:
            awaited = work()
            if asyncio.iscoroutine(awaited):
                await awaited
        except (StepFailed, HostUnreachable) as error:
            message = f"{error.params['reason']}{self._log()}"
        except _Wrong as error:
            message = str(error)
        spent = round(time.monotonic() - begun, 2)
        self.told(Outcome(self.service, self.scenario, step, not message, spent, message))
        return not message

    async def _step(self, step: str) -> None:
        if step == "push":
            await self.task.step(step, stdin=self._payload)
        elif step == "spec":
            await self.task.step(step, stdin=self.task.spec())
        elif step == "backup":
            await self.task.step(step, f"backup_{_OLD}_20260101_0000.tar.gz")
        else:
            told, _, code = (await self.task.step(step)).values().get("undrain", "").partition(" ")
            if told == "failed":
                raise _Wrong(f"undrain exit {code}{self._log()}")

    async def _payload(self) -> AsyncIterator[bytes]:
        for block in payload_tar(self.unpacked, self.manifest, self.service):
            yield block

    async def _prepare(self) -> None:
        """Lay the old release and start it, as an installation before the upgrade would be."""
        shutil.copytree(self.unpacked / self.manifest.services[self.service].payload, self.old)
        (self.old / ".before").write_text("the release before\n")
        self.current.symlink_to(Path("releases") / _OLD)
        await self.transport.install()
        command = self.manifest.services[self.service].commands.get("start")
        if command is None:
            return
        variables = {"SYSMGR_ROOT": self.root, "SYSMGR_SERVICE": self.service, "SYSMGR_VERSION": _OLD}
        try:
            done = await asyncio.to_thread(
                subprocess.run,
                command.argv,
                cwd=self.old / command.folder,
                env={**os.environ, **{k: str(v) for k, v in variables.items()}, "SYSMGR_RELEASE": str(self.old)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=command.seconds,
                check=False,
            )
        except OSError as error:
            raise _Wrong(f"start of the release before can't be run: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise _Wrong(f"start of the release before did not return within {command.seconds} s") from None
        if done.returncode:
            raise _Wrong(f"start of the release before: exit {done.returncode}")

    def _result(self) -> None:
        """Look at what the host ended on."""
        wanted = self.manifest.version if self.scenario == "upgrade" else _OLD
        found = self.current.readlink()
        if found != Path("releases") / wanted:
            raise _Wrong(f"current points at {found}, not at releases/{wanted}")
        if not (self.old / ".before").is_file():
            raise _Wrong("the release before was changed")

    def _log(self) -> str:
        """Return the end of what the package's commands printed, to stand behind a reason."""
        try:
            text = (self.root / ".sysmgr" / "tasks" / str(self.item.task) / "log").read_text(errors="replace")
        except OSError:
            return ""
        tail = " | ".join(line for line in text[-_LOG_TAIL:].splitlines() if line.strip())
        return f" (log: {tail})" if tail else ""


class _Wrong(Exception):
    """Something about the package did not go well."""


def _end_processes(root: Path) -> None:
    """End what the package's commands left running on this throw-away host: it carries the host's folder."""
    mark = f"SYSMGR_ROOT={root.resolve()}".encode()
    for number in (signal.SIGTERM, signal.SIGKILL):
        pids = list(_carrying(mark))
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, number)
        deadline = time.monotonic() + 3
        while pids and time.monotonic() < deadline and any(True for _ in _carrying(mark)):
            time.sleep(0.05)


def _carrying(mark: bytes) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in path.read_bytes().split(b"\0"):
                yield int(path.parent.name)
