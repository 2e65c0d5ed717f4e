"""Full and read-only disks, a busy lock, folders that are links: refused with the right code, and then gone on."""

from __future__ import annotations

import fcntl
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .host import BACKUP, NEW, SHELLS, STEPS, Host, tools, tree
from .mounts import fill, remount, small_disk

BIG = random.Random(1).randbytes(600_000)


@pytest.fixture(params=SHELLS)
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    """A host on a disk of 8 MiB; its releases have 600 kB that no gzip makes smaller."""
    path = tools(request.param, tmp_path / "applets")
    with small_disk(tmp_path / "disk", 8192) as disk:
        yield Host(
            disk / "host",
            SHELLS[request.param],
            path=path,
            old_files={"big": BIG, "a": b"a\n"},
            new_files={"big": (BIG[::-1], 0o644), "b": (b"b\n", 0o755)},
        )


@pytest.mark.parametrize("left", [0, 100, 400, 700])
@pytest.mark.parametrize("full", ["spec", "push", "backup", "stage"])
def test_a_full_disk_refuses_and_changes_nothing(small: Host, full: str, left: int) -> None:
    old = tree(small.old)
    before = STEPS[: STEPS.index(full)]
    small.ok(*before)
    filler = fill(small.root.parent, left)
    code, said = small.step(full)
    assert (code, said.split()[:2]) in [(0, said.split()[:2]), (14, ["error", "no_space"])], (said, small.log())
    assert code == 14 or left > 0
    assert tree(small.old) == old
    assert not (small.root / "backups" / BACKUP).exists() or code == 0 or full == "stage"
    filler.unlink()
    small.ok(*STEPS[STEPS.index(full) :], "commit", "cleanup")
    assert small.current() == {"big": BIG[::-1], "b": b"b\n"}
    assert small.leftovers() == []


@pytest.mark.parametrize("after", ["stage", "activate", "verify"])
def test_a_rollback_needs_no_room(small: Host, after: str) -> None:
    """A new release may have filled the disk: also a new leader must get through."""
    old = tree(small.old)
    small.ok(*STEPS[: STEPS.index(after) + 1])
    filler = fill(small.root.parent)
    if after == "stage":
        assert small.step("activate")[0] in (0, 14)
    assert small.call("fence", term=6)[0] == 0
    small.ok("rollback", "cleanup", term=6)
    assert small.link.readlink() == Path("releases/1.3")
    assert tree(small.old) == old
    filler.unlink()
    assert small.leftovers() == []


@pytest.mark.parametrize("step", [*STEPS, "rollback", "commit"])
def test_a_read_only_disk_is_an_io_error_and_nothing_changes(small: Host, step: str) -> None:
    small.ok(*(STEPS if step not in STEPS else STEPS[: STEPS.index(step)]))
    before = tree(small.root / "storage")
    remount(small.root.parent, "ro")
    code, said = small.step(step)
    assert (code, said.split()[:2]) == (15, ["error", "io_error"])
    assert tree(small.root / "storage") == before
    remount(small.root.parent, "rw")
    small.ok(step)


def test_a_read_only_host_says_so_at_its_inspection(small: Host) -> None:
    small.ok("spec")
    remount(small.root.parent, "ro")
    code, said = small.call("inspect")
    assert code == 15 or "writable no" in said.splitlines(), said


def test_a_busy_lock_is_waited_for_and_then_told(host: Host) -> None:
    host.ok("spec")
    host.lock_seconds = 1
    with (host.root / ".sysmgr" / "lock").open("ab") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        begun = time.monotonic()
        assert host.step("push")[0] == 13
        assert 0.5 < time.monotonic() - begun < 15
    host.ok("push")


def test_two_services_of_one_host_at_the_same_time(dash: Host) -> None:
    """Their steps take turns; neither sees the other's parts."""
    import threading

    other = Host(dash.root.parent / "other", dash.shell, service="compute")
    (other.root / "compute").rename(dash.root / "compute")
    other = Host(dash.root, dash.shell, service="compute", task="t2")
    faults: list[object] = []

    def upgrade(host: Host, name: str) -> None:
        for step in (*STEPS, "commit", "cleanup"):
            words, stdin = host.words(step)
            answer = host.call(step, *((name,) if step == "backup" else words), stdin=stdin)
            if answer[0]:
                faults.append((step, answer, host.log()))

    pairs = [(dash, BACKUP), (other, "backup_1.3_20260101_0001.tar.gz")]
    threads = [threading.Thread(target=upgrade, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert (dash.current(), other.current()) == (NEW, NEW)
    assert (dash.leftovers(), other.leftovers()) == ([], [])
    assert len(list((dash.root / "backups").iterdir())) == 2


@pytest.mark.parametrize("name", ["backups", "packages", "storage/releases"])
def test_a_folder_may_be_a_link_to_another_place(host: Host, name: str) -> None:
    """And nothing beside what is ours is removed there."""
    elsewhere = Path(tempfile.mkdtemp(dir=host.root.parent))
    old = tree(host.old)
    folder = host.root / name
    if folder.exists():
        folder.rename(elsewhere / "real")
    (elsewhere / "real").mkdir(exist_ok=True)
    (elsewhere / "real" / "theirs").touch()
    folder.symlink_to(elsewhere / "real")
    host.ok(*STEPS, "rollback", "cleanup")
    assert tree(host.old) == old
    assert {path.name for path in (elsewhere / "real").iterdir()} <= {"theirs", "1.3", BACKUP}
    assert (elsewhere / "real" / "theirs").exists()


@pytest.mark.parametrize("target", ["/", "../outside", "releases/none", "releases/link", "releases/1.3/../1.3", "."])
def test_a_current_that_names_no_release_is_refused(dash: Host, target: str) -> None:
    (dash.root / "outside").mkdir()
    (dash.old.parent / "link").symlink_to("1.3")
    dash.ok("spec", "push")
    dash.link.unlink()
    dash.link.symlink_to(target)
    assert dash.step("backup")[0] == 16
    assert "service storage -" in dash.call("inspect")[1].splitlines()
    assert not (dash.root / "backups").exists()


def test_a_release_that_is_a_directory_named_current_is_refused(dash: Host) -> None:
    dash.link.unlink()
    dash.link.mkdir()
    dash.ok("spec", "push")
    assert dash.step("backup")[0] == 16
