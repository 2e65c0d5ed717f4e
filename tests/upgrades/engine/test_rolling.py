"""What lets a run rest between two hosts, on real directories: thresholds, pause points, window, gate, reboot."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone

from cluster.models import Cluster, LeaderLease
from sysmgr.audit.services import SYSTEM
from sysmgr.events.models import Event
from upgrades import controls, rollbacks, run_selectors
from upgrades.engine.run_journal import RunJournal
from upgrades.engine.task import Task
from upgrades.engine.worker import _waiting
from upgrades.errors import HostHeld
from upgrades.health import gate
from upgrades.models import HostHold, UpgradeRun
from upgrades.next_steps import next_step
from upgrades.rolling_errors import HostUnderWay, RebootRequired

from .drive import IP, ask_all, broken_package, content, drive, go, root, states

pytestmark = pytest.mark.django_db(transaction=True)
OTHER = "10.30.12.165"
PLACES = [("10.30.12.161", "cloud"), (OTHER, "storage"), (IP, "storage")]
PAIR = [(OTHER, "storage"), (IP, "compute")]
COMPUTE_FAILS = '[services.compute.commands.status]\nargv = ["false"]\nseconds = 1\n'


@pytest.fixture(autouse=True)
def lead(term: int) -> None:
    """Lead for as long as a test takes."""
    LeaderLease.objects.update(expires_at=timezone.now() + timedelta(days=1))


def resume(run: UpgradeRun, term: int) -> UpgradeRun:
    controls.resume(run.cluster, run.pk, SYSTEM)
    return drive(run, term)


def failing(cluster: Cluster, tmp_path: Path, **options: Any) -> UpgradeRun:
    """Ask for a run whose first item goes well and whose second one fails."""
    broken_package(cluster, tmp_path, "2.0", COMPUTE_FAILS)
    return ask_all(cluster, *PAIR, (IP, "storage"), version="2.0", **options)


def test_a_threshold_that_rolls_back_ends_the_run_and_hands_its_hosts_over(
    demo_cluster: Cluster, term: int, tmp_path: Path
) -> None:
    old = content(root(OTHER) / "storage" / "current")
    run = drive(failing(demo_cluster, tmp_path, on_threshold="rollback"), term)
    assert (run.state, run.error, run.scode) == ("failed", "ThresholdReached", 4053)
    assert states(run) == ["committed", "rolled_back", "skipped"]
    assert not list((root() / "packages").glob("*"))
    back = run.rollbacks.get()
    assert (back.kind, back.state, back.author) == ("rollback", "pending", run.author)
    assert [(hold.host.host_ip, hold.run_id) for hold in HostHold.objects.select_related("host")] == [(OTHER, back.pk)]
    assert run_selectors.inspect(demo_cluster.pk, run.pk)["rollback_uuid"] == str(back.pk)
    with pytest.raises(HostHeld):
        ask_all(demo_cluster, (OTHER, "compute"))
    back = drive(back, term)
    assert (back.state, content(root(OTHER) / "storage" / "current")) == ("succeeded", old)
    assert not HostHold.objects.exists()


def test_the_rollback_at_a_threshold_survives_the_leader(
    demo_cluster: Cluster, term: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made in the transaction that ends the run, or not yet: the next leader finds the threshold reached."""
    run = failing(demo_cluster, tmp_path, on_threshold="rollback")

    def killed(*args: Any) -> None:
        raise DatabaseError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(rollbacks, "fill", killed)
        with pytest.raises(DatabaseError):
            go(run, term)
    run.refresh_from_db()
    assert (run.state, UpgradeRun.objects.count()) == ("running", 1)
    assert HostHold.objects.filter(run=run).count() == 2
    assert drive(run, term).state == "failed"
    assert drive(run.rollbacks.get(), term).state == "succeeded"


def test_a_threshold_that_rolls_back_does_so_at_the_last_item_too(
    demo_cluster: Cluster, term: int, tmp_path: Path
) -> None:
    broken_package(demo_cluster, tmp_path, "2.0", COMPUTE_FAILS)
    run = drive(ask_all(demo_cluster, *PAIR, version="2.0", on_threshold="rollback"), term)
    assert (run.state, states(run), run.rollbacks.count()) == ("failed", ["committed", "rolled_back"], 1)
    nothing = drive(ask_all(demo_cluster, (IP, "compute"), version="2.0", on_threshold="rollback"), term)
    assert (nothing.state, nothing.rollbacks.exists(), nothing.holds.exists()) == ("failed", False, False)


def test_who_cancels_keeps_what_is_done(
    demo_cluster: Cluster, term: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = failing(demo_cluster, tmp_path, on_threshold="rollback")
    honest = Task.take_back

    async def cancelled(task: Task, cause: Any) -> None:
        from asgiref.sync import sync_to_async

        await sync_to_async(controls.cancel)(demo_cluster, run.pk, SYSTEM)
        await honest(task, cause)

    monkeypatch.setattr(Task, "take_back", cancelled)
    run = drive(run, term)
    assert (run.state, run.rollbacks.exists()) == ("cancelled", False)


def test_a_run_pauses_after_each_point_once(demo_cluster: Cluster, term: int) -> None:
    run = drive(ask_all(demo_cluster, *PLACES, pause_after=["canary", OTHER, IP], max_parallel=3), term)
    assert (run.state, run.paused_by, states(run)) == ("paused", "pause_point", ["committed", "pushing", "pushing"])
    assert run.options["paused_after"] == ["canary"] and "canary" in run.message
    assert "upgrade/resume" in next_step(run)[0]
    run = resume(run, term)
    assert (run.state, run.paused_by, states(run)) == ("paused", "pause_point", ["committed", "committed", "pushing"])
    # After the last host nothing is left to pause for.
    run = resume(run, term)
    assert (run.state, run.message) == ("succeeded", "")


def test_no_host_is_begun_after_the_window_and_resuming_goes_on_without(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask_all(demo_cluster, *PLACES, not_after=int(time.time()) + 3600)
    honest = Task.change

    async def late(task: Task) -> None:
        monkeypatch.setattr(time, "time", lambda: honest_time() + 7200)
        await honest(task)

    honest_time = time.time
    monkeypatch.setattr(Task, "change", late)
    run = drive(run, term)
    # What had begun was brought to its end.
    assert (run.state, run.paused_by, run.scode) == ("paused", "window", 4057)
    assert states(run) == ["committed", "pushing", "pushing"]
    run = resume(run, term)
    assert (run.state, "not_after" in run.options) == ("succeeded", False)


def test_nobody_takes_a_run_up_before_its_window(demo_cluster: Cluster, term: int) -> None:
    run = drive(ask_all(demo_cluster, *PLACES, not_before=int(time.time()) + 3600), term)
    assert (run.state, _waiting()) == ("pending", [])
    assert "It begins at" in next_step(run)[0] and "将于" in next_step(run)[1]
    assert HostHold.objects.count() == 3
    UpgradeRun.objects.update(options={**run.options, "not_before": int(time.time()) - 1})
    assert _waiting() == [run.pk]
    assert drive(run, term).state == "succeeded"


def test_a_red_gate_pauses_before_the_next_host(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    answers = ["", "storage is degraded", ""]

    async def closed(cluster: Cluster) -> str:
        asked.append(str(cluster))
        return answers.pop(0) if answers else ""

    monkeypatch.setattr(gate, "closed", closed)
    run = drive(ask_all(demo_cluster, *PLACES), term)
    assert (run.state, run.paused_by, run.scode) == ("paused", "gate", 4056)
    assert "storage is degraded" in run.message
    assert states(run) == ["committed", "pushing", "pushing"]
    assert resume(run, term).state == "succeeded"
    assert len(asked) == 4
    told = Event.objects.filter(subject=run.pk, kind="upgrade.paused").get()
    assert "storage is degraded" in told.message


def rebooting(monkeypatch: pytest.MonkeyPatch, step: str) -> list[bool]:
    """Let `step` want a reboot until the returned list is emptied."""
    wanted = [True]
    honest = Task.step

    async def asking(task: Task, name: str, *words: str, **more: Any) -> Any:
        if name == step and wanted and task.item.host_ip == OTHER:
            raise RebootRequired(step=name, host=task.item.host_ip)
        return await honest(task, name, *words, **more)

    monkeypatch.setattr(Task, "step", asking)
    return wanted


@pytest.mark.parametrize(("step", "state"), [("activate", "activating"), ("verify", "verifying")])
def test_a_host_that_must_be_rebooted_pauses_the_run_there(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch, step: str, state: str
) -> None:
    wanted = rebooting(monkeypatch, step)
    run = drive(ask_all(demo_cluster, (OTHER, "storage"), (IP, "storage")), term)
    assert (run.state, run.paused_by, run.scode) == ("paused", "reboot", 4055)
    assert states(run) == [state, "pushing"] and OTHER in run.message
    with pytest.raises(HostUnderWay):
        controls.retry(demo_cluster, run.pk, SYSTEM)
    run = resume(run, term)
    assert (run.state, run.paused_by) == ("paused", "reboot")  # it was not done
    wanted.clear()
    run = resume(run, term)
    assert (run.state, states(run)) == ("succeeded", ["committed", "committed"])


def test_a_run_that_waits_for_a_reboot_and_is_cancelled_goes_back(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = content(root(OTHER) / "storage" / "current")
    rebooting(monkeypatch, "verify")
    run = drive(ask_all(demo_cluster, (OTHER, "storage")), term)
    assert (run.state, run.paused_by) == ("paused", "reboot")
    assert controls.cancel(demo_cluster, run.pk, SYSTEM).state == "cancelling"
    run = drive(run, term)
    assert (states(run), content(root(OTHER) / "storage" / "current")) == (["rolled_back"], old)
    assert run.ended and not HostHold.objects.exists()


def test_a_pause_that_an_operator_asked_for_stays_his(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def closed(cluster: Cluster) -> str:
        from asgiref.sync import sync_to_async

        await sync_to_async(controls.pause)(demo_cluster, run.pk, SYSTEM)
        return "red"

    monkeypatch.setattr(gate, "closed", closed)
    run = ask_all(demo_cluster, *PLACES)
    run = drive(run, term)
    assert (run.state, run.paused_by, run.message) == ("paused", "operator", "")


def test_what_the_operator_did_meanwhile_is_not_written_over(demo_cluster: Cluster, term: int) -> None:
    run = ask_all(demo_cluster, *PLACES)
    UpgradeRun.objects.filter(pk=run.pk).update(state="cancelled", end_time=timezone.now() - timedelta(seconds=1))
    RunJournal(term).rest(run, "gate")
    run.refresh_from_db()
    assert (run.state, run.paused_by) == ("cancelled", "")


def test_a_rollback_takes_back_what_was_committed_last_first(demo_cluster: Cluster, term: int) -> None:
    run = drive(ask_all(demo_cluster, *PLACES[:2], max_parallel=3, max_unavailable={"cloud": 2}), term)
    run.items.filter(ordinal=0).update(end_time=timezone.now() + timedelta(seconds=1))  # they went side by side
    back = rollbacks.request_rollback(demo_cluster, run.pk, None, SYSTEM)
    assert list(back.items.order_by("ordinal").values_list("host_ip", flat=True)) == [PLACES[0][0], PLACES[1][0]]
    assert back.options == {"canary": 0, "max_parallel": 3, "max_unavailable": {"cloud": 2}}
