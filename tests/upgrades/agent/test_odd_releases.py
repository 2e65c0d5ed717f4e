"""Old releases with all that a file system allows: backed up, restored to the byte, or refused before any change."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .host import BACKUP, NEW, SHELLS, STEPS, Host, tools, tree

NAMES = [
    b"two words",
    b"-rf",
    b"--",
    b"*",
    b"new\nline",
    b"\n",
    b"\xff\xfe",
    b"b\\s",
    b"'q\"",
    b".hidden",
    b"...",
    b"! x",
]


def odd(base: Path) -> None:
    """Fill a release with odd names, links, modes and sizes."""
    for name in NAMES:
        (base / os.fsdecode(name)).write_bytes(b"content of " + name)
        (base / "names" / os.fsdecode(name)).mkdir(parents=True)
        (base / "names" / os.fsdecode(name) / "file").write_bytes(name)
    (base / "empty folder").mkdir()
    (base / "zero").touch()
    (base / "dangling").symlink_to("no\nsuch file\n")
    (base / "line\nbreak").symlink_to("/etc/passwd")
    (base / "to a folder").symlink_to("names")
    (base / "hard 1").write_bytes(b"one file")
    (base / "hard 2").hardlink_to(base / "hard 1")
    with (base / "sparse").open("wb") as file:
        file.truncate(3_000_000)
    for mode in (0o4755, 0o2755, 0o600, 0o400, 0o444, 0o777):
        (base / f"mode {mode:o}").write_bytes(b"m")
        (base / f"mode {mode:o}").chmod(mode)
    (base / "sticky").mkdir()
    (base / "sticky").chmod(0o1777)
    (base / "closed").mkdir()
    (base / "closed" / "in it").touch()
    (base / "closed").chmod(0o700)
    base.chmod(0o2750)


def restored(host: Host) -> None:
    """Upgrade, lose the old release, roll back: the same bytes, modes, owners and links again."""
    old = tree(host.old)
    host.ok(*STEPS)
    shutil.rmtree(host.old)
    assert host.step("rollback") == (0, "version 1.3\nfrom backup\n"), host.log()
    host.ok("cleanup")
    assert tree(host.old) == old
    assert host.leftovers() == []


def test_an_odd_release_comes_back_to_the_byte(host: Host) -> None:
    odd(host.old)
    if os.geteuid() == 0:
        for name in ("zero", "mode 4755"):
            mode = (host.old / name).stat().st_mode
            os.chown(host.old / name, 12345, 23456)
            (host.old / name).chmod(mode & 0o7777)
        os.chown(host.old / "dangling", 12345, 23456, follow_symlinks=False)
    restored(host)
    assert (host.old / "hard 1").samefile(host.old / "hard 2")


@pytest.mark.parametrize("change", ["content", "mode", "owner", "target", "name", "more"])
def test_each_difference_of_an_odd_release_is_seen(dash: Host, change: str) -> None:
    odd(dash.old)
    old = tree(dash.old)
    dash.ok(*STEPS)
    match change:
        case "content":
            (dash.old / "names" / "new\nline" / "file").write_bytes(b"new\nlinf")
        case "mode":
            (dash.old / "new\nline").chmod(0o640)
        case "owner" if os.geteuid() == 0:
            os.chown(dash.old / "\n", 1, 1)
        case "owner":
            pytest.skip("only root can give a file away")
        case "target":
            (dash.old / "line\nbreak").unlink()
            (dash.old / "line\nbreak").symlink_to("/etc/passwe")
        case "name":
            (dash.old / "dangling").unlink()
            (dash.old / "dangling").symlink_to("no\nsuch file")
        case "more":
            (dash.old / "names" / "\nmore").mkdir()
    assert dash.step("rollback") == (0, "version 1.3\nfrom backup\n")
    assert tree(dash.old) == old


def test_an_empty_release(host: Host) -> None:
    shutil.rmtree(host.old)
    host.old.mkdir()
    restored(host)


def test_many_files_take_seconds(dash: Host) -> None:
    for number in range(5000):
        file = dash.old / f"folder{number % 50}" / f"a file with quite a long name, number {number}"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"%d" % number)
    for number in range(2000):
        dash.new_files[f"lib/{number}/module.py"] = (b"# %d\n" % number, 0o755 if number % 2 else 0o644)
    begun = time.monotonic()
    restored(dash)
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize("kind", ["socket", "fifo"])
def test_pipes_are_kept_and_sockets_refused(host: Host, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "fifo":
        os.mkfifo(host.old / "fifo")
        restored(host)
        return
    monkeypatch.chdir(host.old)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        host.ok("spec", "push")
        assert host.step("backup")[0] in (15, 17)
    assert not list((host.root / "backups").iterdir())
    assert host.link.readlink() == Path("releases/1.3")


@pytest.fixture(params=["dash", "busybox"])
def plain(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    """A host whose script runs as a plain user."""
    if os.geteuid() != 0:
        yield Host(tmp_path / "host", SHELLS[request.param], path=tools(request.param, tmp_path / "applets"))
        return
    base = Path(tempfile.mkdtemp(prefix="sysmgr-plain-"))
    base.chmod(0o755)
    host = Host(base / "host", SHELLS[request.param], path=tools(request.param, base / "applets"))
    host.shell = [str(shutil.which("setpriv")), "--reuid=65534", "--regid=65534", "--clear-groups", *host.shell]
    give(host)
    yield host
    shutil.rmtree(base)


def give(host: Host) -> None:
    """Give all files of a host to the plain user."""
    if os.geteuid() == 0:
        subprocess.run(["chown", "-hR", "65534:65534", str(host.root)], check=True)


def test_a_plain_user_gets_modes_back_too(plain: Host) -> None:
    """Setuid bits too with GNU tar; busybox's drops them for a plain user, and then the backup is refused."""
    odd(plain.old)
    give(plain)
    if "busybox" in plain.shell:
        (plain.old / "mode 4755").chmod(0o4755)
        plain.ok("spec", "push")
        assert plain.step("backup") == (17, "error digest_mismatch the backup is not the release\n")
        plain.ok("cleanup")
        plain.task = "t2"
        (plain.old / "mode 4755").chmod(0o755)
    else:
        (plain.old / "mode 4755").chmod(0o4755)
    restored(plain)


def test_a_plain_user_is_refused_an_unreadable_file(plain: Host) -> None:
    (plain.old / "secret").write_bytes(b"s")
    (plain.old / "secret").chmod(0)
    give(plain)
    plain.ok("spec", "push")
    assert plain.step("backup") == (15, "error io_error the release cannot be read\n")
    (plain.old / "secret").unlink()
    (plain.old / "folder").mkdir(mode=0)
    give(plain)
    assert plain.step("backup") == (15, "error io_error the release cannot be read\n")
    (plain.old / "folder").rmdir()
    plain.ok("backup", "stage", "activate", "verify")


def test_a_plain_user_and_closed_folders(plain: Host) -> None:
    """GNU tar restores read-only folders; busybox's can't as a plain user, and then the backup is refused."""
    old = tree(plain.old)
    (plain.old / "closed").mkdir()
    (plain.old / "closed" / "file").touch()
    (plain.old / "closed").chmod(0o555)
    give(plain)
    old = tree(plain.old)
    plain.ok("spec", "push")
    code, said = plain.step("backup")
    assert code == 0 or ("busybox" in plain.shell and code == 15), said
    if code == 0:
        plain.ok("stage", "activate", "verify")
        (plain.old / "closed").chmod(0o755)
        plain.ok("rollback", "cleanup")
    else:
        plain.ok("cleanup")
    assert (tree(plain.old), plain.leftovers()) == (old, [])


def test_a_plain_user_cannot_keep_the_owner_of_foreign_files(plain: Host) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(plain.old / ".hidden", 0, 0)
    plain.ok("spec", "push")
    assert plain.step("backup") == (17, "error digest_mismatch the backup is not the release\n")
    assert not list((plain.root / "backups").iterdir())


def test_files_that_change_between_listing_and_reading_back(dash: Host, tmp_path: Path) -> None:
    """A shim changes the release while it is packed: refused, and the next try, when all is quiet, succeeds."""
    shims = tmp_path / "shims"
    shims.mkdir()
    change = f'echo changed >>"{dash.old}/etc/a b"'
    (shims / "tar").write_text(f'#!/bin/sh\n{change}\nPATH={os.environ["PATH"]}\nexec tar "$@"\n')
    (shims / "tar").chmod(0o755)
    dash.ok("spec", "push")
    dash.path = f"{shims}:{os.environ['PATH']}"
    assert dash.step("backup")[0] == 17
    assert not list((dash.root / "backups").iterdir())
    dash.path = os.environ["PATH"]
    old = tree(dash.old)
    dash.ok("backup", "stage", "activate", "verify", "rollback")
    assert tree(dash.old) == old


@pytest.mark.parametrize("tool", ["tar", "gzip", "sha256sum", "md5sum", "sort", "stat", "sync", "ln", "cmp"])
def test_a_tool_that_fails_fails_the_backup(dash: Host, tmp_path: Path, tool: str) -> None:
    """Also at the left end of a pipe, where a shell would not tell."""
    shims = tmp_path / "shims"
    shims.mkdir()
    (shims / tool).write_text(f'#!/bin/sh\nPATH={os.environ["PATH"]}\n{tool} "$@"\nexit 2\n')
    (shims / tool).chmod(0o755)
    dash.ok("spec", "push")
    dash.path = f"{shims}:{os.environ['PATH']}"
    code, said = dash.step("backup")
    assert code in (15, 17, 20), said
    dash.path = os.environ["PATH"]
    dash.ok("backup", "stage", "activate", "verify", "commit", "cleanup")
    assert [path.name for path in (dash.root / "backups").iterdir()] == [BACKUP]
    assert (dash.current(), dash.leftovers()) == (NEW, [])
