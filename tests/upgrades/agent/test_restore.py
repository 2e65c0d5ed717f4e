"""Bringing a backup back: to the byte, with the right commands, or refused before any change."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .back import OWN, WAY, Back, upgraded
from .daemon import effects, running, served
from .host import BACKUP, NEW, SHELLS, Host, tools, tree
from .kills import kill_all_in
from .mounts import fill, small_disk
from .test_odd_releases import odd


@pytest.fixture(params=SHELLS)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Back]:
    """A host whose daemon was upgraded to 1.5, and the task that goes back."""
    path = tools(request.param, tmp_path / "applets")
    try:
        yield upgraded(served(tmp_path / "host", SHELLS[request.param], path))
    finally:
        kill_all_in(tmp_path)


@pytest.mark.parametrize("gone", ["nothing", "release", "release and listing"])
def test_an_odd_release_comes_back_to_the_byte(host: Host, gone: str) -> None:
    odd(host.old)
    if "busybox" in host.shell and "listing" in gone:
        host.old.chmod(0o755)  # its tar leaves the topmost folder's mode, and no listing tells it
    old = tree(host.old)
    back = upgraded(host)
    if "release" in gone:
        shutil.rmtree(host.old)
    if "listing" in gone:
        (host.state / "old.tree").unlink()
    back.ok(*WAY, "commit", "cleanup")
    assert (tree(back.old), back.link.readlink()) == (old, Path("releases/1.3"))
    assert {path.name for path in (back.root / "backups").iterdir()} == {BACKUP, OWN}
    assert back.leftovers() == []


def test_a_release_that_differs_is_replaced(dash: Host) -> None:
    old = tree(dash.old)
    back = upgraded(dash)
    (dash.old / "more").touch()
    back.ok(*WAY, "commit", "cleanup")
    assert (tree(back.old), back.leftovers()) == (old, [])


def test_a_restore_is_taken_back_like_any_change(host: Host) -> None:
    back = upgraded(host)
    shutil.rmtree(back.old)
    back.ok(*WAY, "rollback", "cleanup")
    assert (back.current(), back.leftovers()) == (NEW, [])
    assert not back.old.exists()


@pytest.mark.parametrize("spoilt", ["gone", "other", "cut"])
def test_a_backup_that_is_not_what_was_written_changes_nothing(dash: Host, spoilt: str) -> None:
    back = upgraded(dash)
    shutil.rmtree(back.old)
    file = back.root / "backups" / BACKUP
    content = file.read_bytes()
    file.unlink()
    if spoilt != "gone":
        file.write_bytes(content[:-9] if spoilt == "cut" else b"other")
    back.ok("spec", "backup")
    assert back.step("stage") == (17, f"error digest_mismatch the backup {BACKUP} is not what was written\n")
    assert back.step("activate")[0] == 10
    back.ok("rollback", "cleanup")
    assert (back.current(), back.leftovers()) == (NEW, [])


def test_the_daemon_of_the_old_release_runs_again(service: Back) -> None:
    service.ok(*WAY, "commit", "cleanup")
    assert list(running(service).values()) == ["1.3"]
    assert effects(service)[-2:] == ["stop 1.5", "start 1.3"]
    # The commands went with it: the next task finds them in this one.
    third = Back(service.root, service.shell, service.hooks, service.path, env=service.env, task="t3")
    third.made_by, third.runs_by = "t2", "t2"
    own = hashlib.sha256((service.root / "backups" / OWN).read_bytes()).hexdigest()
    spec = f"from 1.3\nversion 1.5\nrestore {OWN} {own}\nmade_by t2\nruns_by t2\n.\n".encode()
    assert third.call("spec", stdin=spec)[0] == 0
    assert third.call("backup", "backup_1.3_20260103_0000.tar.gz")[0] == 0
    third.ok("stage", "activate", "verify", "commit", "cleanup")
    assert list(running(service).values()) == ["1.5"]
    assert effects(service)[-2:] == ["stop 1.3", "start 1.5"]


def test_a_sick_old_release_gives_way_to_the_new_one(service: Back) -> None:
    service.ok("spec", "backup", "stage", "activate")
    (service.root / "run" / "sick").touch()
    assert service.step("verify")[:2] == (18, "error hook_failed health says no\n")
    service.ok("rollback", "cleanup")
    assert list(running(service).values()) == ["1.5"]
    assert effects(service)[-4:] == ["stop 1.5", "start 1.3", "stop 1.3", "start 1.5"]


def test_commands_that_nobody_knows_refuse_the_restore(service: Back) -> None:
    before = effects(service)
    shutil.move(service.root / ".sysmgr" / "tasks" / "t1", service.root / "t1")
    code, said = service.step("spec")
    assert (code, said.split()[1]) == (22, "hooks_unknown")
    # A task without commands brought what runs, says the caller; but the one that made the backup had some.
    shutil.move(service.root / "t1", service.root / ".sysmgr" / "tasks" / "t1")
    other = service.root / ".sysmgr" / "tasks" / "t0"
    other.mkdir()
    (other / "spec").write_text("from 1.4\nversion 1.5\n.\n")
    service.task, service.runs_by = "t4", "t0"
    assert service.step("spec")[0] == 0  # t1 brought 1.5 as well, and knows it
    (service.root / ".sysmgr" / "tasks" / "t1" / "spec").write_text(
        (service.root / ".sysmgr" / "tasks" / "t1" / "spec").read_text().replace("version 1.5", "version 1.4")
    )
    service.task = "t5"
    code, said = service.step("spec")
    assert (code, said.split()[1]) == (22, "hooks_unknown"), said
    assert (effects(service), list(running(service).values())) == (before, ["1.5"])


def test_without_commands_the_files_alone_come_back(dash: Host) -> None:
    back = upgraded(dash)
    back.made_by = back.runs_by = ""
    shutil.rmtree(back.root / ".sysmgr" / "tasks" / "t1")
    old = tree(dash.old)
    shutil.rmtree(dash.old)
    back.ok(*WAY, "commit", "cleanup")
    assert tree(back.old) == old


def test_a_task_that_only_backs_up_knows_the_commands_too(service: Back) -> None:
    spec = b"from 1.5\nversion 1.5\nruns_by t1\n.\n"
    only = Back(service.root, service.shell, service.hooks, service.path, env=service.env, task="t6")
    assert only.call("spec", stdin=spec) == (0, "spec kept\n")
    only.ok("backup")
    assert only.step("stage")[0] == only.step("activate")[0] == 10
    only.ok("cleanup")
    assert only.step("backup")[0] == 0
    assert (list(running(service).values()), only.leftovers()) == (["1.5"], [])
    kept = only.state / "hooks.old"
    assert [line.split()[1] for line in kept.read_text().splitlines() if line[0] == "H"] == [
        "stop",
        "start",
        "status",
        "health",
    ]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("left", [0, 300])
def test_a_full_disk_refuses_and_needs_no_room_to_go_back(tmp_path: Path, shell: str, left: int) -> None:
    path = tools(shell, tmp_path / "applets")
    with small_disk(tmp_path / "disk", 8192) as disk:
        big = {"big": os.urandom(600_000)}
        back = upgraded(Host(disk / "host", SHELLS[shell], path=path, old_files=big))
        old = tree(back.old)
        shutil.rmtree(back.old)
        back.ok("spec", "backup")
        filler = fill(disk, left)
        assert back.step("stage")[0] == 14, back.log()
        assert (back.current(), (back.root / "storage" / "releases" / "1.3").exists()) == (NEW, False)
        filler.unlink()
        back.ok("stage", "activate")
        filler = fill(disk)
        assert back.call("fence", term=6)[0] == 0
        assert back.step("rollback", term=6)[0] == 0, back.log()
        filler.unlink()
        back.step("cleanup", term=6)
        assert (back.current(), back.leftovers()) == (NEW, [])
        back.task = "t7"
        spec = back.spec()
        assert back.call("spec", stdin=spec, term=6)[0] == 0
        assert back.call("backup", "backup_1.5_20260103_0000.tar.gz", term=6)[0] == 0
        back.ok("stage", "activate", "verify", "commit", "cleanup", term=6)
        assert tree(back.old) == old


def test_a_backup_is_looked_at_and_removed(host: Host) -> None:
    back = upgraded(host)
    file = back.root / "backups" / BACKUP
    md5, size = hashlib.md5(file.read_bytes()).hexdigest(), file.stat().st_size
    told = f"name {BACKUP}\nmd5 {md5}\nsha256 {back.sum}\nsize {size}\nreadable "
    back.task = back.service = "-"
    assert back.call("check_backup", BACKUP) == (0, f"{told}yes\n")
    content = file.read_bytes()
    file.write_bytes(b"x" * size)
    assert back.call("check_backup", BACKUP)[1].endswith("readable no\n")
    file.write_bytes(content)
    for step in ("check_backup", "remove_backup"):
        assert back.call(step, BACKUP, term=4)[0] == 11
        assert back.call(step, BACKUP, cluster="c2")[0] == 12
        assert back.call(step)[0] == back.call(step, "../fence")[0] == back.call(step, "a/b")[0] == 10
    assert back.call("remove_backup", "packages")[0] == 10
    for _ in range(2):
        assert back.call("remove_backup", BACKUP) == (0, f"removed {BACKUP}\n")
    assert not file.exists()
    assert back.call("check_backup", BACKUP)[0] == 17


def test_a_plain_user_gets_a_closed_release_back() -> None:
    if os.geteuid() != 0:
        pytest.skip("the test's own user is a plain one already")
    base = Path(tempfile.mkdtemp(prefix="sysmgr-plain-"))
    base.chmod(0o755)
    host = Host(base / "host", SHELLS["dash"])
    host.shell = [str(shutil.which("setpriv")), "--reuid=65534", "--regid=65534", "--clear-groups", *host.shell]
    try:
        (host.old / "closed").mkdir()
        (host.old / "closed" / "file").touch()
        (host.old / "closed").chmod(0o555)
        for path in [host.root, *host.root.rglob("*")]:
            os.chown(path, 65534, 65534, follow_symlinks=False)
        old = tree(host.old)
        back = upgraded(host)
        shutil.rmtree(back.old)
        back.ok(*WAY, "commit", "cleanup")
        assert (tree(back.old), back.leftovers()) == (old, [])
    finally:
        shutil.rmtree(base)
