"""Hooks with a real daemon: what runs after each outcome, and hooks that lie, hang, shout or hold on."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .daemon import effects, running, served
from .host import SHELLS, STEPS, Host, tools
from .kills import FULL, Shims, Victim, kill_all_in


@pytest.fixture(params=SHELLS)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    """A host whose old release runs, in each shell."""
    yield served(tmp_path / "host", SHELLS[request.param], tools(request.param, tmp_path / "applets"))
    kill_all_in(tmp_path)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Host]:
    """A host whose old release runs, in dash."""
    yield served(tmp_path / "host", SHELLS["dash"], tools("dash", tmp_path / "applets"))
    kill_all_in(tmp_path)


def pid_of(host: Host, version: str) -> int:
    """Return the one daemon's pid; it is of `version`."""
    found = running(host)
    assert list(found.values()) == [version], (found, effects(host), host.log())
    return next(iter(found))


def test_after_an_upgrade_the_new_release_runs(service: Host) -> None:
    old = pid_of(service, "1.3")
    service.ok(*STEPS, "commit", "cleanup")
    assert pid_of(service, "1.5") != old
    assert effects(service) == ["stop 1.3", "start 1.5"]


def test_after_a_failing_health_check_the_old_release_runs_again(service: Host) -> None:
    service.ok("spec", "push", "backup", "stage", "activate")
    (service.root / "run" / "sick").touch()
    assert service.step("verify") == (18, "error hook_failed health says no\n")
    service.ok("rollback", "rollback", "cleanup")
    pid_of(service, "1.3")
    assert effects(service) == ["stop 1.3", "start 1.5", "stop 1.5", "start 1.3"]


def test_a_release_that_dies_at_once_is_rolled_back(daemon: Host) -> None:
    """Its stop then fails too, for there is nothing to stop: status says that nothing runs, and that decides."""
    daemon.new_files["bin/daemon"] = (b"exit 1\n", 0o644)
    daemon.ok("spec", "push", "backup", "stage")
    assert daemon.step("activate") == (18, "error hook_failed start exit 1\n")
    daemon.ok("rollback")
    pid_of(daemon, "1.3")


def test_a_stop_that_lies_fails_activate_and_the_old_one_goes_on(daemon: Host) -> None:
    old = pid_of(daemon, "1.3")
    daemon.ok("spec", "push", "backup", "stage")
    (daemon.root / "run" / "lie").touch()
    assert daemon.step("activate") == (18, "error hook_failed stop: the old process still runs\n")
    assert daemon.link.readlink() == Path("releases/1.3")
    daemon.ok("rollback")
    assert pid_of(daemon, "1.3") == old


def test_a_new_process_that_cannot_be_stopped_is_unproven_until_it_is_gone(daemon: Host) -> None:
    daemon.ok("spec", "push", "backup", "stage", "activate")
    new = pid_of(daemon, "1.5")
    (daemon.root / "run" / "lie").touch()
    for _ in range(2):
        assert daemon.step("rollback") == (21, "error unproven the new process may still run\n")
    os.kill(new, signal.SIGKILL)
    (daemon.root / "run" / "pid").unlink()
    daemon.ok("rollback")
    pid_of(daemon, "1.3")


def test_commands_that_the_new_release_broke_are_done_by_the_old_ones(daemon: Host) -> None:
    daemon.new_files["bin/ctl"] = (b"#!/nonexistent\n", 0o755)
    daemon.ok("spec", "push", "backup", "stage")
    assert daemon.step("activate") == (18, "error hook_failed start exit 127\n")
    daemon.ok("rollback")
    pid_of(daemon, "1.3")


def test_a_status_that_cannot_be_asked_is_no_proof_of_a_stop(daemon: Host) -> None:
    """Refused before the stop: nothing was touched, and the rollback knows it."""
    old = pid_of(daemon, "1.3")
    daemon.hooks = daemon.hooks.replace("A bin/ctl\nA status", "A bin/nothing\nA status")
    daemon.ok("spec", "push", "backup", "stage")
    assert daemon.step("activate") == (18, "error hook_failed status exit 127\n")
    daemon.ok("rollback")
    assert pid_of(daemon, "1.3") == old
    assert effects(daemon) == []


def test_a_service_that_was_down_is_started(daemon: Host) -> None:
    """Its stop fails, and its status says that there is nothing to stop."""
    kill_all_in(daemon.root)
    daemon.ok(*STEPS)
    pid_of(daemon, "1.5")


@pytest.mark.parametrize("script", ["sleep 60", "trap '' TERM; while :; do sleep 1; done"])
def test_a_hook_that_hangs_is_ended(host: Host, script: str) -> None:
    host.hooks = f"H start 1 - .\nA sh\nA -c\nA {script}\n"
    host.ok("spec", "push", "backup", "stage")
    begun = time.monotonic()
    assert host.step("activate") == (19, "error hook_timeout start\n")
    assert time.monotonic() - begun < 15


def test_a_check_that_never_says_yes_ends_in_time_whatever_the_clock_does(host: Host, tmp_path: Path) -> None:
    (tmp_path / "clock").mkdir()
    date = tmp_path / "clock" / "date"
    last = tmp_path / "last"
    last.write_text("2000000000")
    date.write_text(f'#!/bin/sh\nn=$(cat {last})\necho "$((n - 9000))" | tee {last}\n')
    date.chmod(0o755)
    host.path = f"{date.parent}:{host.path}"
    host.hooks = "H status 2 - .\nA false\n"
    host.ok("spec", "push", "backup", "stage", "activate")
    begun = time.monotonic()
    assert host.step("verify") == (18, "error hook_failed status says no\n")
    assert time.monotonic() - begun < 20


def test_a_daemon_left_behind_holds_neither_lock_nor_pipes(service: Host) -> None:
    service.ok(*STEPS)
    (pid,) = running(service)
    held = {entry.readlink() for entry in Path(f"/proc/{pid}/fd").iterdir()}
    assert {path for path in held if ".sysmgr" in str(path)} <= {service.state / "hook.out"}
    for lock in ("lock", "hooks.storage"):
        with (service.root / ".sysmgr" / lock).open("ab") as file:
            _lock_soon(file.fileno())


def _lock_soon(descriptor: int) -> None:
    for _ in range(40):  # busybox's timeout looks once a second whether its command has ended
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(0.1)
    pytest.fail("a lock is still held")


def test_a_hook_that_shouts_does_not_fill_the_disk(daemon: Host) -> None:
    daemon.hooks = "H start 20 - .\nA sh\nA -c\nA head -c 30000000 /dev/zero | tr '\\0' x; echo the end >&2\n"
    daemon.ok(*STEPS)
    assert sum(path.stat().st_size for path in daemon.state.iterdir()) < 300_000
    assert "the end" in daemon.log()


def test_words_of_a_hook_arrive_as_they_are(host: Host) -> None:
    words = ["", "two words", "H status 1 - .", "A x", "$HOME `id` \\n 'q\"", "*", "-n", "ünï", "."]
    script = '{ printf "%s\\n" "$#" "$@"; umask; pwd -P; } >"$SYSMGR_ROOT/words"'
    argv = ["sh", "-c", script, "sh", *words]
    host.hooks = "H start 9 - bin\n" + "".join(f"A {word}\n" for word in argv)
    host.ok(*STEPS)
    said = (host.root / "words").read_text().splitlines()
    where = host.root / "storage" / "releases" / "1.5" / "bin"
    assert said == [str(len(words)), *words, said[-2], str(where)]
    assert int(said[-2], 8) == 0o022, "the script's own umask is closer"


def test_a_user_that_the_host_lacks_is_refused_before_anything_changes(dash: Host) -> None:
    dash.hooks = "H stop 9 no_such_user .\nA true\n"
    assert dash.step("spec") == (18, "error hook_failed cannot become no_such_user\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_hook_runs_as_its_user(dash: Host) -> None:
    dash.hooks = "H start 9 nobody .\nA id\nA -un\n"
    for folder in (dash.root, *dash.root.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    dash.ok(*STEPS)
    assert "nobody" in dash.log()


@pytest.mark.parametrize(("during", "victim"), [("stop", "script"), ("start", "script"), ("start", "all")])
def test_a_kill_while_a_slow_hook_works_leaves_one_daemon(service: Host, during: str, victim: Victim) -> None:
    """The hook outlives the script: the next call waits for its end instead of starting a second daemon."""
    service.ok("spec", "push", "backup", "stage")
    (service.root / "run" / "slow").write_text("0.7")
    with subprocess.Popen(
        service.command("activate"), env=service.environment(), start_new_session=True, stdout=subprocess.DEVNULL
    ) as script:
        _wait_for_effect(service, during)
        (os.killpg if victim == "all" else os.kill)(script.pid, signal.SIGKILL)
    service.ok("activate", "verify", term=6)
    pid_of(service, "1.5")
    if (service.shell[0], victim) != ("busybox", "all"):  # there the group's death is the hook's death too
        assert effects(service).count("start 1.5") == 1
    service.ok("commit", "cleanup", term=6)


def _wait_for_effect(host: Host, name: str) -> None:
    for _ in range(500):
        if any(line.startswith(name) for line in effects(host)):
            return
        time.sleep(0.02)
    pytest.fail(f"{name} did not begin")


@pytest.mark.timeout(900 if FULL else 120)
@pytest.mark.parametrize("victim", ["script", "all"])
@pytest.mark.parametrize("end", ["activate", "rollback"])
def test_a_kill_anywhere_in_a_change_leaves_one_daemon(tmp_path: Path, end: str, victim: Victim) -> None:
    """Every third place that changes something; every command with SYSMGR_FULL=1."""
    shims = Shims(tmp_path / "shims")
    for at in range(1, 300, 1 if FULL else 3):
        host = served(tmp_path / f"host{at}", SHELLS["dash"], os.environ["PATH"])
        host.ok("spec", "push", "backup", "stage", *(["activate"] if end == "rollback" else []))
        shims.run(host, end, at, "after" if at % 2 else "before", victim)
        killed = shims.fired.exists()
        host.ok(end, term=6)
        pid_of(host, "1.5" if end == "activate" else "1.3")
        kill_all_in(host.root)
        if not killed:
            assert at > 10
            return
    pytest.fail("no life ran through")
