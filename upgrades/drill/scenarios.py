"""What the drill breaks: each scenario says what is promised, does its worst, and looks at the hosts' disks."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cluster.models import LeaderLease
from sysmgr import env
from upgrades.engine import run as engine
from upgrades.models import UpgradeItem, UpgradeRun
from upgrades.transports.base import Input, Result, Unreachable
from upgrades.transports.local import LocalTransport

from .stage import GOOD, ILL, OLD, SERVICE, SPOILT, Stage, on_new, on_old, runs, tree

_WAIT_SECONDS = 60.0
_CUT_AFTER = 100_000  # bytes of a payload
_FULL_MB = 2


@dataclass(frozen=True)
class Told:
    """What a scenario promised, what happened, and whether that is the same."""

    name: str
    promised: str
    happened: str
    kept: bool


def undisturbed(stage: Stage) -> Told:
    """Nothing is broken."""
    hosts = stage.hosts(3)
    term = stage.lead()
    run = stage.drive(stage.ask(hosts, GOOD), term)
    kept = run.state == "succeeded" and all(on_new(host, GOOD) for host in hosts)
    return _told("undisturbed", "all hosts run the new release, every file proven", run, hosts, kept)


def crash(stage: Stage) -> Told:
    """The manager is killed while a service is switched; another one goes on."""
    hosts = stage.hosts(2)
    term = stage.lead()
    run = stage.ask(hosts, GOOD)
    words = [sys.executable, str(env.BASE_DIR / "manage.py"), "drill", "--drive", str(run.pk), str(term)]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        killed = _when(run, "activating", lambda: process.poll() is None)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    run = stage.drive(run, stage.lead())
    starts = [(Path(host.root) / SERVICE / "starts").read_text().count("start") for host in hosts]
    kept = killed and run.state == "succeeded" and all(on_new(h, GOOD) for h in hosts) and starts == [1, 1]
    promised = "the next leader brings the run to its end; every service was started once"
    return _told("manager killed (kill -9)", promised, run, hosts, kept, "" if killed else "it was over before; ")


def lost_connection(stage: Stage) -> Told:
    """The connection breaks in the middle of a copy, and comes back."""
    hosts = stage.hosts(1)
    with patch.object(engine, "transport_of", lambda host: _Cut(Path(host.root))):
        term = stage.lead()
        run = stage.drive(stage.ask(hosts, GOOD), term)
    cut = UpgradeItem.objects.filter(run=run, logs__code=None).exists()
    kept = cut and run.state == "succeeded" and on_new(hosts[0], GOOD)
    promised = "the copy goes on where it was cut, and the host ends on the new release, proven"
    return _told("connection lost in mid-copy", promised, run, hosts, kept)


def full_disk(stage: Stage) -> Told:
    """The host's disk has no room for the new release."""
    with _small_disk(stage.folder / "small") as (folder, how):
        hosts = stage.hosts(1, folder)
        before = tree(Path(hosts[0].root) / SERVICE / "releases" / OLD)
        term = stage.lead()
        run = stage.ask(hosts, GOOD, waive=[{"host_ip": hosts[0].host_ip, "check": "disk_space", "reason": "drill"}])
        with how():
            run = stage.drive(run, term)
        kept = run.state in ("failed", "paused") and on_old(hosts[0], before)
        told = _told("disk full", "the host stays on the old release, byte for byte", run, hosts, kept)
        stage.forget(run)
    return told


def bad_package(stage: Stage) -> Told:
    """The package in the store was changed after it was taken in."""
    hosts = stage.hosts(2)
    before = [tree(Path(host.root)) for host in hosts]
    term = stage.lead()
    run = stage.drive(stage.ask(hosts, SPOILT), term)
    same = [{k: v for k, v in tree(Path(h.root)).items() if not k.startswith(".sysmgr")} for h in hosts] == before
    kept = run.state == "failed" and same
    return _told("package spoilt in the store", "nothing is done on any host", run, hosts, kept)


def failed_health(stage: Stage) -> Told:
    """The new release starts, and says that it is not well."""
    hosts = stage.hosts(2)
    before = [tree(Path(host.root) / SERVICE / "releases" / OLD) for host in hosts]
    term = stage.lead()
    run = stage.drive(stage.ask(hosts, ILL), term)
    kept = all(on_old(host, files) for host, files in zip(hosts, before, strict=True))
    kept = kept and run.items.filter(state="rolled_back").count() == 1 and run.state == "paused"
    promised = "the first host goes back to the old release, byte for byte; the second is not begun; the run pauses"
    told = _told("health check fails", promised, run, hosts, kept)
    stage.forget(run)
    return told


def late_leader(stage: Stage) -> Told:
    """A manager that was frozen wakes up after another one has driven the run."""
    hosts = stage.hosts(1)
    late = stage.lead()
    term = stage.lead()
    run = stage.drive(stage.ask(hosts, GOOD), term)
    after = tree(Path(hosts[0].root))
    again = stage.ask(hosts, ILL)
    stage.drive(again, late)
    host = hosts[0]
    words = (str(host.cluster_id), str(late), "-", "-")
    refused = _run(LocalTransport(Path(host.root)), "fence", *words).code == 11
    same = {k: v for k, v in tree(Path(host.root)).items() if k != ".sysmgr/lock"} == {
        k: v for k, v in after.items() if k != ".sysmgr/lock"
    }
    again.refresh_from_db()
    kept = refused and same and on_new(host, GOOD) and again.state == "pending"
    stage.forget(again)
    LeaderLease.objects.update(holder=None, expires_at=None)
    return _told("late leader", "the host refuses its commands, and nothing changes", run, hosts, kept)


SCENARIOS: tuple[Callable[[Stage], Told], ...] = (
    undisturbed,
    crash,
    lost_connection,
    full_disk,
    bad_package,
    failed_health,
    late_leader,
)


class _Cut(LocalTransport):
    """Breaks once, in the middle of a payload."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._left = 1

    async def run(self, *words: str, stdin: Input = b"", seconds: float = 600) -> Result:
        """Run a step; the first push is cut after so many bytes, and its end is not heard."""
        if words[0] != "push" or isinstance(stdin, bytes) or not self._left:
            return await super().run(*words, stdin=stdin, seconds=seconds)
        self._left = 0
        whole = stdin

        async def part() -> AsyncIterator[bytes]:
            sent = 0
            async for block in whole():
                yield block[: max(0, _CUT_AFTER - sent)]
                sent += len(block)
                if sent >= _CUT_AFTER:
                    return

        await super().run(*words, stdin=part, seconds=seconds)
        raise Unreachable("the connection was cut on purpose")


def _run(transport: LocalTransport, *words: str) -> Result:
    import asyncio

    return asyncio.run(transport.run(*words, seconds=60))


def _when(run: UpgradeRun, state: str, going: Callable[[], bool]) -> bool:
    """Wait until an item of the run is in this state; False when the run is over before."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline and going():
        if UpgradeItem.objects.filter(run=run, state=state).exists():
            return True
        time.sleep(0.002)
    return False


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[tuple[Path, Callable[[], Any]]]:
    """Yield a folder with little room, and what bounds it: a small disk where one can be mounted, else a limit on the
    size of files."""
    folder.mkdir()
    mount = shutil.which("mount")
    words = [str(mount), "-t", "tmpfs", "-o", f"size={_FULL_MB}m", "drill", str(folder)]
    if mount and os.geteuid() == 0 and subprocess.run(words, capture_output=True, check=False).returncode == 0:
        try:
            yield folder, contextlib.nullcontext
        finally:
            subprocess.run(["umount", str(folder)], capture_output=True, check=False)
        return
    yield folder, _limited_files


@contextlib.contextmanager
def _limited_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    real = subprocess.Popen.__init__

    def limited(self: Any, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **{**kwargs, "preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))})

    with patch.object(subprocess.Popen, "__init__", limited):
        yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _told(name: str, promised: str, run: UpgradeRun, hosts: list[Any], kept: bool, note: str = "") -> Told:
    items = ", ".join(f"{i.host_ip} {i.state}" for i in run.items.order_by("ordinal"))
    disks = ", ".join(f"{host.host_ip} runs {runs(host)}" for host in hosts)
    return Told(name, promised, f"{note}run {run.state}: {items}; on the disks: {disks}", kept)
