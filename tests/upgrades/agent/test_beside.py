"""The steps beside the change: drain and undrain, check, a reboot in between, the log, and another owner."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .host import STEPS, Host
from .kills import Shims, kill_all_in

READY = ("spec", "need", "push", "backup", "stage")


def hook(name: str, script: str, seconds: int = 9) -> str:
    """Return a hook that is one line of sh."""
    return f"H {name} {seconds} - .\nA sh\nA -c\nA {script}\n"


def telling(*names: str, code: str = "0") -> str:
    """Return hooks that write down when they were called, and by which release."""
    script = 'echo {0} "$SYSMGR_VERSION" >>"$SYSMGR_ROOT/told"; exit {1}'
    return "".join(hook(name, script.format(name, code)) for name in names)


def told(host: Host) -> list[str]:
    file = host.root / "told"
    return file.read_text().splitlines() if file.exists() else []


def markers(host: Host) -> set[str]:
    return {line[7:] for line in host.call("inspect")[1].splitlines() if line.startswith("marker ")}


def test_a_service_is_drained_once_and_undrained_once(host: Host) -> None:
    host.hooks = telling("drain", "undrain")
    host.ok(*READY)
    assert host.step("undrain") == (0, "undrain none\n")
    for _ in range(2):
        assert host.step("drain") == (0, "drain yes\n")
    assert "drain done" in markers(host) and "undrain done" not in markers(host)
    host.ok("activate", "verify")
    for _ in range(2):
        assert host.step("undrain") == (0, "undrain yes\n")
    assert "undrain done" in markers(host)
    host.ok("commit", "cleanup")
    assert told(host) == ["drain 1.3", "undrain 1.5"]


def test_after_an_undrain_a_rollback_may_drain_again(dash: Host) -> None:
    dash.hooks = telling("drain", "undrain")
    dash.ok(*READY, "drain", "activate", "verify", "undrain", "drain", "rollback")
    assert "undrain done" not in markers(dash)
    dash.ok("undrain", "cleanup")
    assert told(dash) == ["drain 1.3", "undrain 1.5", "drain 1.5", "undrain 1.3"]


def test_without_such_commands_there_is_nothing_to_drain(dash: Host) -> None:
    dash.ok(*READY)
    assert dash.step("drain") == (0, "drain none\n")
    dash.ok("activate", "verify")
    assert dash.step("undrain") == dash.step("undrain") == (0, "undrain none\n")


def test_a_drain_that_fails_is_told_before_anything_changed(dash: Host) -> None:
    dash.hooks = hook("drain", "exit 3") + telling("undrain")
    dash.ok(*READY)
    assert dash.step("drain") == (18, "error hook_failed drain exit 3\n")
    assert dash.link.readlink() == Path("releases/1.3")
    assert dash.step("undrain") == (0, "undrain yes\n"), "half of it may have happened"
    assert told(dash) == ["undrain 1.3"]


def test_an_undrain_that_fails_changes_no_outcome_and_may_be_called_again(dash: Host) -> None:
    dash.hooks = telling("drain") + hook("undrain", 'exit "$(cat "$SYSMGR_ROOT/code")"')
    (dash.root / "code").write_text("7")
    dash.ok(*READY, "drain", "activate", "verify", "commit")
    assert dash.step("undrain") == (0, "undrain failed 7\n")
    assert dash.step("cleanup")[0] == 0
    assert "undrain started" in markers(dash)
    (dash.root / "code").write_text("0")
    assert dash.step("undrain") == (0, "undrain yes\n")


@pytest.mark.parametrize("step", ["drain", "undrain"])
def test_a_kill_anywhere_leaves_the_undrain_to_be_done(dash: Host, step: str, tmp_path: Path) -> None:
    """The next leader sees by the markers that it is still to come."""
    dash.hooks = telling("drain", "undrain")
    dash.ok(*READY, *(["drain"] if step == "undrain" else []))
    shims = Shims(tmp_path / "shims")
    for at in range(1, 40):
        host = Host(tmp_path / f"host{at}", dash.shell, dash.hooks)
        shutil.rmtree(host.root)
        shutil.copytree(dash.root, host.root, symlinks=True)
        (host.root / "told").unlink(missing_ok=True)
        shims.run(host, step, at, "after" if at % 2 else "before", "all" if at % 3 else "script")
        killed = shims.fired.exists()
        if "drain 1.3" in told(host) or step == "undrain":
            assert {"drain started", "drain done"} & markers(host)
        assert host.step("undrain", term=6)[0] == 0
        if step == "undrain" or told(host):
            assert "undrain 1.3" in told(host)
        if not killed:
            assert at > 2
            return
    pytest.fail("no life ran through")


@pytest.mark.parametrize(
    ("status", "health", "answer"),
    [("0", "0", "yes yes"), ("1", "1", "no no"), ("0", "1", "yes no"), ("127", "75", "unknown unknown")],
)
def test_check_asks_what_runs_now(host: Host, status: str, health: str, answer: str) -> None:
    host.hooks = hook("status", f"exit {status}", 2) + hook("health", f"exit {health}", 2)
    host.ok("spec")
    first, second = answer.split()
    assert host.step("check") == (0, f"status {first}\nhealth {second}\n")


def test_check_has_no_answer_where_there_is_no_command(dash: Host) -> None:
    dash.ok("spec")
    assert dash.step("check") == (0, "status -\nhealth -\n")


def test_check_waits_a_moment_for_what_becomes_well(dash: Host) -> None:
    dash.hooks = hook("health", 'echo >>"$SYSMGR_ROOT/n"; [ "$(wc -l <"$SYSMGR_ROOT/n")" -gt 1 ]')
    dash.ok("spec")
    assert dash.step("check") == (0, "status -\nhealth yes\n")


@pytest.mark.parametrize("name", ["drain", "stop", "start", "status", "health"])
def test_a_command_that_asks_for_a_reboot_is_asked_again_after_it(host: Host, name: str) -> None:
    script = 'echo {0} >>"$SYSMGR_ROOT/told"; [ -f "$SYSMGR_ROOT/booted" ] || exit 75'
    host.hooks = hook(name, script.format(name))
    host.ok(*READY)
    steps = ("drain", "activate", "verify")
    asked = {"drain": "drain", "stop": "activate", "start": "activate"}.get(name, "verify")
    host.ok(*steps[: steps.index(asked)])
    for _ in range(2):
        assert host.step(asked) == (23, f"error reboot_required {name}\n")
    kill_all_in(host.root)
    (host.root / "booted").touch()
    host.ok(*steps[steps.index(asked) :], "commit", "cleanup", term=6)
    assert told(host) == [name] * len(told(host)) and len(told(host)) == 3


def test_a_status_that_asks_for_a_reboot_is_heard_before_the_stop(dash: Host) -> None:
    dash.hooks = telling("stop") + hook("status", "exit 75")
    dash.ok(*READY)
    assert dash.step("activate") == (23, "error reboot_required status\n")
    assert told(dash) == [] and "activate.stop started" not in markers(dash)


def test_after_the_reboot_verify_starts_what_did_not_come_up(dash: Host) -> None:
    up = '"$SYSMGR_ROOT/up"'
    dash.hooks = (
        hook("start", f'touch {up}; echo start >>"$SYSMGR_ROOT/told"')
        + hook("status", f"[ -f {up} ]", 1)
        + hook("health", '[ -f "$SYSMGR_ROOT/booted" ] || exit 75')
    )
    dash.ok(*READY, "activate")
    assert dash.step("verify") == (23, "error reboot_required health\n")
    (dash.root / "up").unlink()
    (dash.root / "booted").touch()
    dash.ok("verify", "commit", "cleanup")
    assert told(dash) == ["start", "start"]


def test_a_reboot_may_be_answered_by_a_rollback(dash: Host) -> None:
    dash.hooks = hook("start", '[ "$SYSMGR_VERSION" = 1.3 ] || exit 75')
    dash.ok(*READY)
    assert dash.step("activate")[0] == 23
    dash.ok("rollback", "cleanup")
    assert dash.link.readlink() == Path("releases/1.3")


def test_a_host_that_lost_its_power_goes_on(host: Host) -> None:
    """Lock files stay behind; they mean nothing, for the locks were the kernel's."""
    host.hooks = hook("start", "sleep 30", 60)
    host.ok(*READY)
    with subprocess.Popen(host.command("activate"), env=host.environment(), start_new_session=True) as script:
        for _ in range(200):
            if (host.state / "hook.out").exists() and (host.root / ".sysmgr" / "hooks.storage").exists():
                break
            time.sleep(0.05)
        os.killpg(script.pid, signal.SIGKILL)
    kill_all_in(host.root)
    assert (host.root / ".sysmgr" / "lock").exists()
    spec = host.state / "spec"
    spec.write_text(spec.read_text().replace(" 60 ", " 1 "))
    (host.state / "argv.start").write_text("true\n")
    host.lock_seconds = 1
    host.ok("activate", "verify", "commit", "cleanup", term=6)


def test_the_log_is_told_bounded_and_printable(host: Host) -> None:
    host.hooks = hook("start", "printf 'over\\033[2J\\000\\303\\274\\tand out'; exit 9")
    host.ok(*READY)
    assert host.step("activate")[0] == 18
    code, said = host.call("log")
    assert code == 0
    assert "over?[2J?ü\tand out" in said and "hook start: exit 9" in said
    assert "\n--- activate\n" in said and "--- log" not in said
    with (host.state / "log").open("ab") as log:
        log.write(b"x" * 40_000)
    assert host.call("log") == (0, "x" * 8192)
    host.task = "t9"
    assert host.call("log") == (0, "")
    assert not host.state.exists()


def take(host: Host, *words: str, cluster: str = "c2", term: int = 3) -> tuple[int, str]:
    """Call take_over, which belongs to no task."""
    owner = Host.__new__(type(host))
    owner.__dict__ |= {**host.__dict__, "task": "-", "service": "-"}
    return owner.call("take_over", *words, cluster=cluster, term=term)


def test_a_host_is_taken_over_from_the_owner_that_was_looked_at(host: Host) -> None:
    assert take(host, "c1") == (12, "error foreign_cluster -\n"), "nobody owns it yet"
    host.ok("spec")
    assert take(host, "c9") == (12, "error foreign_cluster c1\n")
    assert take(host, "c1") == (0, "owner c2 3\nwas c1 5\n")
    for _ in range(2):
        assert take(host, "c1") == (0, "owner c2 3\n")
    assert take(host, "c1", term=2)[0] == 11
    assert host.call("inspect")[0] == 12
    assert host.call("inspect", cluster="c2", term=3)[0] == 0
    assert take(host)[0] == take(host, "c1", "now")[0] == 10


@pytest.mark.parametrize("upto", range(len(STEPS) + 1))
def test_a_host_with_a_half_done_upgrade_is_taken_only_by_force(dash: Host, upto: int) -> None:
    dash.ok(*STEPS[:upto] or ("inspect",))
    if "activate" not in STEPS[:upto]:
        assert take(dash, "c1")[0] == 0
        return
    assert take(dash, "c1") == (24, "error busy_task t1\n")
    assert dash.call("inspect")[0] == 0, "it is still the old owner's"
    assert take(dash, "c1", "force")[0] == 0


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_what_ended_keeps_nobody_from_taking_over(dash: Host, end: str) -> None:
    dash.ok(*STEPS, end)
    assert take(dash, "c1")[0] == 0


@pytest.mark.parametrize("held", ["lock", "hooks.storage"])
def test_nobody_takes_over_while_a_step_or_its_command_runs(host: Host, held: str) -> None:
    host.ok("spec")
    host.lock_seconds = 1
    with (host.root / ".sysmgr" / held).open("ab") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        assert take(host, "c1", "force")[0] == 13
    assert take(host, "c1")[0] == 0
