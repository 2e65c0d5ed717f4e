"""The host script by itself: every step, twice, interrupted, and every refusal."""

from __future__ import annotations

import itertools
import os
import tarfile
from pathlib import Path

import pytest

from tests.requirements import requires

from .host import BACKUP, NEW, OLD_FILES, STEPS, Host

SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
TOOLS = ("mv", "sync", "tar", "gzip", "cp", "ln", "rm", "sha256sum", "mkdir")


@pytest.fixture(params=SHELLS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    requires(request.param, f"apt-get install {request.param}")
    return Host(tmp_path / "host", SHELLS[request.param])


def ok(host: Host, *steps: str) -> None:
    for step in steps:
        code, said = host.step(step)
        assert code == 0, (step, said)


def test_an_upgrade_changes_the_files_and_keeps_the_old_ones(host: Host, tmp_path: Path) -> None:
    ok(host, *STEPS, "commit", "cleanup")
    assert host.current() == NEW
    assert (host.root / "storage" / "current" / "bin" / "storaged").stat().st_mode & 0o777 == 0o755
    with tarfile.open(host.root / "backups" / BACKUP) as backup:
        backup.extractall(tmp_path / "read", filter="data")
    read = {str(p.relative_to(tmp_path / "read")) for p in (tmp_path / "read").rglob("*") if not p.is_dir()}
    assert read == {*OLD_FILES, "link"}
    assert list((host.root / "packages").iterdir()) == []


def test_every_step_twice_answers_the_same(host: Host) -> None:
    for step in (*STEPS, "commit", "cleanup"):
        assert host.step(step) == host.step(step)
    assert host.current() == NEW


def test_rollback_brings_the_old_release_back(host: Host) -> None:
    old = host.current()
    ok(host, *STEPS, "rollback", "rollback", "cleanup")
    assert host.current() == old
    assert not (host.root / "storage" / "releases" / "1.5").exists()
    assert host.step("commit")[0] == 10


def test_a_broken_old_release_comes_back_from_the_backup(host: Host) -> None:
    old = host.current()
    ok(host, *STEPS)
    (host.root / "storage" / "releases" / "1.3" / "etc" / "a b").write_bytes(b"spoilt")
    assert host.step("rollback") == (0, "version 1.3\nfrom backup\n")
    assert host.current() == old


def test_without_release_and_backup_the_state_is_unproven(host: Host) -> None:
    ok(host, *STEPS)
    (host.root / "storage" / "releases" / "1.3" / "etc" / "a b").write_bytes(b"spoilt")
    (host.root / "backups" / BACKUP).write_bytes(b"spoilt")
    code, said = host.step("rollback")
    assert (code, said.split()[:2]) == (21, ["error", "unproven"])


def test_refusals(host: Host) -> None:
    ok(host, "spec")
    assert host.call("verify", term=4)[0] == 11
    assert host.call("verify", cluster="c2", term=9)[0] == 12
    assert host.step("stage")[0] == 10
    assert host.step("activate")[0] == 10
    assert host.call("backup", "../x")[0] == 10
    assert host.call("nonsense")[0] == 10
    assert host.call("spec", stdin=host.spec()[:-2])[0] == 10
    assert host.call("push", stdin=host.payload()[:700])[0] in (15, 17)
    assert host.call("push", stdin=host.payload().replace(b"echo new", b"echo bad"))[0] == 17
    assert not (host.root / "packages" / "1.5" / "storage").exists()
    (host.root / "backups").mkdir()
    (host.root / "backups" / BACKUP).write_bytes(b"somebody else's")
    assert host.step("backup")[0] == 20
    assert (host.root / "backups" / BACKUP).read_bytes() == b"somebody else's"


def test_a_changed_file_fails_verify(host: Host) -> None:
    ok(host, *STEPS)
    (host.root / "storage" / "current" / "etc" / "storage.conf").write_bytes(b"version=6.6\n")
    assert host.step("verify")[0] == 17


def test_a_failing_status_fails_verify_and_rolls_back(host: Host) -> None:
    host.hooks = "H status 1 - .\nA false\n"
    old = host.current()
    ok(host, "spec", "push", "backup", "stage", "activate")
    assert host.step("verify")[0] == 18
    ok(host, "rollback")
    assert host.current() == old


def test_a_hook_that_hangs_is_ended(host: Host) -> None:
    host.hooks = "H start 1 - .\nA sleep\nA 60\n"
    ok(host, "spec", "push", "backup", "stage")
    assert host.step("activate")[0] == 19


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_at_any_external_command_is_survived(tmp_path: Path, moment: str) -> None:
    """Shims kill the calling shell at the N-th command; N walks on until a life runs through without a kill."""
    shims = tmp_path / "shims"
    shims.mkdir()
    for tool in TOOLS:
        kill = 'if [ "$n" -eq "$(cat "$COUNT.at")" ]; then kill -9 "$PPID"; sleep 1; fi\n'
        run = f'PATH=$REAL_PATH {tool} "$@"; c=$?\n'
        shim = shims / tool
        shim.write_text(
            f"#!/bin/sh\nCOUNT={shims}/count\nPATH=$REAL_PATH\necho >>$COUNT; n=$(wc -l <$COUNT)\n"
            + (kill + run if moment == "before" else run + kill)
            + "exit $c\n"
        )
        shim.chmod(0o755)
    for number in itertools.count(1, 7):
        host = Host(tmp_path / f"host{number}", ["dash"])
        old = host.current()
        (shims / "count").write_text("")
        (shims / "count.at").write_text(str(number))
        host.path = f"{shims}:{os.environ['PATH']}"
        killed = False
        for step in (*STEPS, "rollback" if number % 2 else "commit", "cleanup"):
            code, said = host.step(step)
            if code != 0:
                killed = True
                assert host.current(), "current is missing"
                code, said = host.step(step)
            assert code == 0, (number, step, said)
        assert host.current() == (old if number % 2 else NEW)
        if not killed:
            assert number > 20
            return
