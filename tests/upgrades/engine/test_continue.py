"""A run that a new leader finds half done: what the hosts say decides, and every item ends one way or the other."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from django.db import DatabaseError

from cluster.models import Cluster, HostService
from upgrades.engine import stepping
from upgrades.engine.journal import Journal, Move
from upgrades.engine.worker import _sweep
from upgrades.intake import store
from upgrades.models import Backup, HostHold, UpgradeRun
from upgrades.transports.base import Unreachable
from upgrades.transports.local import LocalTransport

from .drive import IP, ask, broken_package, content, drive, go, root

pytestmark = pytest.mark.django_db(transaction=True)


def stop_before(monkeypatch: pytest.MonkeyPatch, state: str, service: str = "storage") -> None:
    """Let the database fail, for good, where the item of `service` would move on to `state`."""
    honest = Journal.items

    def broken(self: Journal, moves: Sequence[Move]) -> list[Backup | None]:
        if any((move.state, move.item.service_type) == (state, service) for move in moves):
            raise DatabaseError("gone")
        return honest(self, moves)

    monkeypatch.setattr(Journal, "items", broken)


def interrupted(monkeypatch: pytest.MonkeyPatch, run: UpgradeRun, term: int, state: str) -> None:
    """Drive the run until the database fails where an item would move on to `state`."""
    with monkeypatch.context() as patch:
        stop_before(patch, state)
        with pytest.raises(DatabaseError):
            go(run, term)
    run.refresh_from_db()
    assert run.state == "running"


@pytest.mark.parametrize(
    ("state", "ends"),
    [("staging", "failed"), ("activating", "failed"), ("verifying", "rolled_back"), ("committed", "committed")],
)
def test_a_package_that_goes_bad_under_a_run_brings_back_what_was_begun(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch, state: str, ends: str
) -> None:
    old = content(root() / "storage" / "current")
    run = ask(demo_cluster, "storage")
    interrupted(monkeypatch, run, term, state)
    (store(demo_cluster) / "updatepackage_1.5.tar.gz").write_bytes(b"spoilt")
    run = drive(run, term)
    item = run.items.get()
    assert (run.state, run.error, item.state) == ("failed", "PackageUnusable", ends)
    assert (content(root() / "storage" / "current") == old) == (ends != "committed")
    assert (HostService.objects.get(host__host_ip=IP, service_type="storage").version == "1.5") == (ends == "committed")
    assert not HostHold.objects.exists()


def test_a_package_that_goes_bad_leaves_what_was_not_begun(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask(demo_cluster, "compute", "storage")
    interrupted(monkeypatch, run, term, "backing_up")
    (store(demo_cluster) / "updatepackage_1.5.tar.gz").unlink()
    run = drive(run, term)
    assert dict(run.items.values_list("service_type", "state")) == {"compute": "committed", "storage": "skipped"}
    assert (run.state, run.error) == ("failed", "PackageUnusable")


def test_what_the_host_committed_stays_although_its_check_fails_now(
    demo_cluster: Cluster, term: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = tmp_path / "well"
    well.touch()
    toml = f'[services.storage.commands.health]\nargv = ["test", "-e", "{well}"]\nseconds = 1\n'
    broken_package(demo_cluster, tmp_path, "2.0", toml)
    run = ask(demo_cluster, "storage")
    interrupted(monkeypatch, run, term, "committed")
    well.unlink()
    run = drive(run, term)
    assert (run.state, run.items.get().state) == ("succeeded", "committed")


def test_a_host_that_is_gone_stops_nobody_else(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stepping, "CHANGE_PAUSES", (0.01,))
    monkeypatch.setattr(stepping, "ROLLBACK_PAUSES", (0.01,))
    run = ask(demo_cluster, "compute", "storage")
    interrupted(monkeypatch, run, term, "verifying")
    shutil.move(root(), root().with_name("away"))
    run = drive(run, term)
    items = {item.service_type: item for item in run.items.all()}
    assert (run.state, items["storage"].state) == ("failed", "inconsistent")
    assert items["storage"].scode == 4044
    assert not HostHold.objects.exists()


@pytest.mark.parametrize("state", ["backing_up", "staging", "activating", "verifying", "committed"])
def test_the_database_may_fail_anywhere(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    run = ask(demo_cluster, "storage", "compute")
    interrupted(monkeypatch, run, term, state)
    assert drive(run, term).state == "succeeded"
    assert Backup.objects.filter(update_time__isnull=False).count() == len(list((root() / "backups").iterdir())) == 2


def test_a_new_leader_removes_what_a_killed_one_left(demo_cluster: Cluster, term: int, tmp_path: Path) -> None:
    ended, living = drive(ask(demo_cluster, "storage"), term), ask(demo_cluster, "compute")
    for run in (ended, living):
        (tmp_path / "work" / str(run.pk)).mkdir(parents=True)
    _sweep()
    assert [path.name for path in (tmp_path / "work").iterdir()] == [str(living.pk)]


def test_a_push_that_finds_the_lock_busy_sends_its_payload_anew(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSMGR_LOCK_SECONDS", "1")
    run = ask(demo_cluster, "storage")
    interrupted(monkeypatch, run, term, "pushing")
    with (root() / ".sysmgr" / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        freeing = threading.Timer(2.5, lambda: fcntl.flock(lock, fcntl.LOCK_UN))
        freeing.start()
        assert drive(run, term).state == "succeeded"
        freeing.join()


def test_a_source_that_fails_ends_the_step(tmp_path: Path) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"some"
        raise OSError("the disk died")

    async def run() -> None:
        host = LocalTransport(tmp_path)
        await host.install()
        (tmp_path / ".sysmgr" / "agent").write_text("cat >/dev/null; echo ended")
        await host.run("push", stdin=failing, seconds=20)

    with pytest.raises(OSError, match="the disk died"):
        asyncio.run(run())


def test_a_step_that_hangs_is_ended(tmp_path: Path) -> None:
    async def run() -> None:
        host = LocalTransport(tmp_path)
        await host.install()
        (tmp_path / ".sysmgr" / "agent").write_text("sleep 60")
        await host.run("push", seconds=0.5)

    with pytest.raises(Unreachable, match="did not end"):
        asyncio.run(run())
