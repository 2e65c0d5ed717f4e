"""Operators who change their minds while a leader drives the run, in real threads: it ends once, and as it should."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from cluster.models import Cluster
from sysmgr.audit.services import SYSTEM
from sysmgr.events.models import Event
from tests.together import at_once
from upgrades import controls
from upgrades.engine.roll import Roll
from upgrades.errors import RunStateWrong
from upgrades.models import Backup, HostHold, UpgradeRun

from .drive import IP, ask_all, go, root, states

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
PLACES = [("10.30.12.161", "cloud"), ("10.30.12.165", "storage"), (IP, "storage"), (IP, "compute")]


def drive_to_the_end(run: UpgradeRun, term: int) -> None:
    """Play the manager: drive the run whenever it does not rest, until it is over."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        go(run, term)
        if UpgradeRun.objects.get(pk=run.pk).ended:
            return
        time.sleep(0.02)
    raise AssertionError("the run did not end")


def asked(call: Callable[..., Any], cluster: Cluster, run: UpgradeRun) -> bool:
    """Ask for something; False when the run is over."""
    try:
        call(cluster, run.pk, SYSTEM)
    except RunStateWrong:
        assert UpgradeRun.objects.get(pk=run.pk).ended
        return False
    return True


def test_pauses_that_are_taken_back_lose_nothing(demo_cluster: Cluster, term: int) -> None:
    run = ask_all(demo_cluster, *PLACES, max_parallel=3)

    def waver() -> None:
        while asked(controls.pause, demo_cluster, run) and asked(controls.resume, demo_cluster, run):
            time.sleep(0.05)

    at_once([lambda: drive_to_the_end(run, term), waver])
    run.refresh_from_db()
    assert (run.state, run.paused_by, states(run)) == ("succeeded", "", ["committed"] * 4)
    assert not HostHold.objects.exists()
    files = sum(len(list((root(ip) / "backups").iterdir())) for ip in {ip for ip, _ in PLACES})
    assert files == Backup.objects.filter(update_time__isnull=False).count() == 4


def test_what_a_pause_left_unpushed_is_pushed_before_anything_changes(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pause comes between two pushes, and is taken back before the first change."""
    run = ask_all(demo_cluster, *PLACES, max_parallel=1)
    asked_before = Roll.may_begin
    calls: list[bool] = []

    async def may_begin(self: Roll) -> bool:
        calls.append(len(calls) != 1 and await asked_before(self))
        return calls[-1]

    monkeypatch.setattr(Roll, "may_begin", may_begin)
    drive_to_the_end(run, term)
    run.refresh_from_db()
    assert calls[:3] == [True, False, True]
    assert (run.state, states(run)) == ("succeeded", ["committed"] * 4)
    pushed = Event.objects.filter(kind="upgrade.item.pushing").order_by("-id").first()
    changed = Event.objects.filter(kind="upgrade.item.backing_up").order_by("id").first()
    assert pushed is not None and changed is not None and pushed.pk < changed.pk


def test_a_cancel_and_the_end_leave_one_clear_state(demo_cluster: Cluster, term: int) -> None:
    run = ask_all(demo_cluster, *PLACES[:2], max_parallel=3)

    def cancel() -> None:
        while not run.items.filter(state__in=["verifying", "committed"]).exists():
            time.sleep(0.01)
        asked(controls.cancel, demo_cluster, run)

    at_once([lambda: drive_to_the_end(run, term), cancel])
    run.refresh_from_db()
    found = states(run)
    assert set(found) <= {"committed", "skipped"}
    assert run.state == ("cancelled" if "skipped" in found else "succeeded")
    for (ip, service), state in zip(PLACES[:2], found, strict=True):
        assert ((root(ip) / service / "current").readlink().name == "1.5") == (state == "committed")
    assert not HostHold.objects.exists()
