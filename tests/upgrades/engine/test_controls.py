"""Runs that are paused, resumed, cancelled and tried again while they are driven, on real directories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError

from cluster.models import Cluster, Host, HostService
from sysmgr import env
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from sysmgr.events.models import Event
from upgrades import controls
from upgrades.engine.journal import Journal, Move
from upgrades.engine.run_journal import RunJournal
from upgrades.engine.worker import _waiting
from upgrades.intake import store
from upgrades.models import Backup, HostHold, UpgradeRun

from .drive import IP, ask, ask_all, broken_package, content, drive, go, root, states

pytestmark = pytest.mark.django_db(transaction=True)
PLACES = [("10.30.12.161", "cloud"), ("10.30.12.165", "storage"), (IP, "storage")]
FAILING = '[services.compute.commands.status]\nargv = ["false"]\nseconds = 1\n'


def when(monkeypatch: pytest.MonkeyPatch, state: str, ip: str, act: Callable[[], Any]) -> None:
    """Act once, right before the first item of the host `ip` moves to `state`."""
    honest = Journal.items
    left = [1]

    def watched(self: Journal, moves: Sequence[Move]) -> list[Backup | None]:
        if any((move.state, move.item.host_ip) == (state, ip) for move in moves) and left and left.pop():
            act()
        return honest(self, moves)

    monkeypatch.setattr(Journal, "items", watched)


def versions(*places: tuple[str, str]) -> list[str]:
    return [str((root(ip) / service / "current").readlink()).removeprefix("releases/") for ip, service in places]


def test_a_run_paused_in_the_middle_rests_between_hosts_and_goes_on(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask_all(demo_cluster, *PLACES)
    with monkeypatch.context() as patch:
        when(patch, "activating", "10.30.12.161", lambda: controls.pause(demo_cluster, run.pk, SYSTEM))
        run = drive(run, term)
    # The host under way was brought to its end; the others have their payload, and nothing else of them changed.
    assert (run.state, run.paused_by, run.end_time) == ("paused", "operator", None)
    assert states(run) == ["committed", "pushing", "pushing"]
    assert versions(*PLACES) == ["1.5", "1.4.rc2", "1.3"]
    assert (HostHold.objects.filter(run=run).count(), _waiting()) == (3, [])
    assert not (env.DATA_DIR / "work" / str(run.pk)).exists()
    assert drive(run, term).state == "paused"  # nobody drives it, whoever leads
    controls.resume(demo_cluster, run.pk, SYSTEM)
    run = drive(run, term)
    assert (run.state, states(run), versions(*PLACES)) == ("succeeded", ["committed"] * 3, ["1.5"] * 3)
    assert (Backup.objects.count(), HostHold.objects.exists()) == (3, False)
    kinds = list(Event.objects.filter(subject=run.pk, kind__in=["upgrade.pausing", "upgrade.paused"]).order_by("id"))
    assert [(event.kind, event.cluster_uuid) for event in kinds] == [
        ("upgrade.pausing", demo_cluster.pk),
        ("upgrade.paused", demo_cluster.pk),
    ]


def test_a_pause_that_is_taken_back_before_the_run_rests_changes_nothing(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask_all(demo_cluster, *PLACES)
    when(monkeypatch, "activating", "10.30.12.161", lambda: controls.pause(demo_cluster, run.pk, SYSTEM))
    honest = RunJournal.settle

    def late(self: RunJournal, settled: UpgradeRun, fatal: Any) -> None:
        monkeypatch.setattr(RunJournal, "settle", honest)
        controls.resume(demo_cluster, run.pk, SYSTEM)
        honest(self, settled, fatal)

    monkeypatch.setattr(RunJournal, "settle", late)
    run = drive(run, term)
    assert (run.state, states(run)) == ("succeeded", ["committed"] * 3)


@pytest.mark.parametrize("moment", ["pushing", "activating"])
def test_a_run_cancelled_in_the_middle_leaves_no_service_between_two_releases(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    run = ask_all(demo_cluster, *PLACES)
    when(monkeypatch, moment, "10.30.12.161", lambda: controls.cancel(demo_cluster, run.pk, SYSTEM))
    run = drive(run, term)
    begun = moment == "activating"
    assert run.state == "cancelled" and run.end_time is not None
    assert states(run) == ["committed" if begun else "skipped", "skipped", "skipped"]
    assert versions(*PLACES) == ["1.5" if begun else "1.4", "1.4.rc2", "1.3"]
    assert f"{int(begun)} of 3" in run.message and run.message_cn
    assert not HostHold.objects.exists()
    assert [list((root(ip) / "packages").glob("*")) for ip, _ in PLACES] == [[], [], []]
    # What was left out can still be had, in the same run.
    controls.retry(demo_cluster, run.pk, SYSTEM)
    run = drive(run, term)
    assert (run.state, versions(*PLACES)) == ("succeeded", ["1.5"] * 3)


def test_a_paused_run_is_cancelled_by_the_leader_who_removes_what_was_pushed(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask_all(demo_cluster, *PLACES)
    with monkeypatch.context() as patch:
        when(patch, "activating", "10.30.12.161", lambda: controls.pause(demo_cluster, run.pk, SYSTEM))
        drive(run, term)
    assert list((root() / "packages").glob("*"))
    assert controls.cancel(demo_cluster, run.pk, SYSTEM).state == "cancelling"
    run = drive(run, term)
    assert (run.state, states(run)) == ("cancelled", ["committed", "skipped", "skipped"])
    assert not list((root() / "packages").glob("*")) and not HostHold.objects.exists()


def test_a_cancel_that_comes_too_late_changes_nothing(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask(demo_cluster, "storage")
    when(monkeypatch, "committed", IP, lambda: controls.cancel(demo_cluster, run.pk, SYSTEM))
    run = drive(run, term)
    assert (run.state, states(run)) == ("succeeded", ["committed"])


def test_a_run_paused_while_it_is_checked_is_checked_anew(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask_all(demo_cluster, *PLACES)
    honest = RunJournal.take_up

    def pausing(self: RunJournal, taken: UpgradeRun) -> None:
        honest(self, taken)
        controls.pause(demo_cluster, run.pk, SYSTEM)

    with monkeypatch.context() as patch:
        patch.setattr(RunJournal, "take_up", pausing)
        run = drive(run, term)
    assert (run.state, run.prechecked, states(run)) == ("paused", False, ["pending"] * 3)
    (root() / "storage" / "current").unlink()
    assert controls.resume(demo_cluster, run.pk, SYSTEM).state == "pending"
    run = drive(run, term)
    assert (run.state, run.error) == ("failed", "PrecheckFailed")


@pytest.mark.parametrize("call", [controls.pause, controls.cancel])
@pytest.mark.parametrize("moment", ["backing_up", "activating", "verifying"])
def test_a_leader_killed_while_the_run_comes_to_rest_leaves_it_to_the_next(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch, moment: str, call: Callable[..., Any]
) -> None:
    run = ask_all(demo_cluster, *PLACES)

    def killed() -> None:
        call(demo_cluster, run.pk, SYSTEM)
        raise DatabaseError("gone")

    with monkeypatch.context() as patch:
        when(patch, moment, "10.30.12.161", killed)
        with pytest.raises(DatabaseError):
            go(run, term)
    run.refresh_from_db()
    assert run.state in ("pausing", "cancelling")
    run = drive(run, term)
    # Before `backing_up` was noted nothing of the host had been changed, so it is not begun any more.
    begun = moment != "backing_up"
    if call is controls.pause:
        assert (run.state, states(run)) == ("paused", ["committed" if begun else "pushing", "pushing", "pushing"])
        controls.resume(demo_cluster, run.pk, SYSTEM)
        assert drive(run, term).state == "succeeded"
    else:
        assert (run.state, states(run)) == ("cancelled", ["committed" if begun else "skipped", "skipped", "skipped"])
        assert not HostHold.objects.exists()
    assert versions(PLACES[0]) == ["1.5" if begun or call is controls.pause else "1.4"]


def test_going_on_passes_over_the_failures_that_paused_the_run(
    demo_cluster: Cluster, term: int, tmp_path: Path
) -> None:
    broken_package(demo_cluster, tmp_path, "2.0", FAILING)
    places = [("10.30.12.165", "compute"), (IP, "compute"), (IP, "storage")]
    run = drive(ask_all(demo_cluster, *places, version="2.0"), term)
    assert (run.state, run.paused_by, states(run)) == ("paused", "threshold", ["rolled_back", "pushing", "pushing"])
    controls.resume(demo_cluster, run.pk, SYSTEM)
    run = drive(run, term)
    # The next failure pauses it again, and then there is one item left.
    assert (run.state, states(run)) == ("paused", ["rolled_back", "rolled_back", "pushing"])
    controls.resume(demo_cluster, run.pk, SYSTEM)
    run = drive(run, term)
    assert (run.state, run.error, run.paused_by) == ("failed", "ItemsFailed", "")
    assert states(run) == ["rolled_back", "rolled_back", "committed"]
    assert "2 of 3" in run.message


def test_a_run_with_nothing_left_to_do_never_pauses(demo_cluster: Cluster, term: int, tmp_path: Path) -> None:
    broken_package(demo_cluster, tmp_path, "2.0", FAILING)
    run = drive(ask_all(demo_cluster, (IP, "compute"), version="2.0"), term)
    assert (run.state, states(run)) == ("failed", ["rolled_back"])


def mended(cluster: Cluster, tmp_path: Path) -> tuple[Path, str]:
    """Take in a package whose status says yes once the returned file is there."""
    well = tmp_path / "well"
    toml = f'[services.compute.commands.status]\nargv = ["test", "-e", "{well}"]\nseconds = 1\n'
    broken_package(cluster, tmp_path, "2.0", toml)
    return well, "2.0"


@pytest.mark.parametrize("paused", [True, False])
def test_what_failed_is_tried_again_in_the_same_run(
    demo_cluster: Cluster, term: int, tmp_path: Path, paused: bool
) -> None:
    well, version = mended(demo_cluster, tmp_path)
    options = {} if paused else {"fail_count": 2}
    run = drive(ask_all(demo_cluster, (IP, "compute"), (IP, "storage"), version=version, **options), term)
    assert run.state == ("paused" if paused else "failed")
    before = run.items.get(service_type="compute")
    assert (before.state, before.scode) == ("rolled_back", 4040)
    well.touch()
    again = controls.retry(demo_cluster, run.pk, SYSTEM)
    assert (again.pk, again.state, again.scode, again.end_time) == (run.pk, "pending", 0, None)
    item = run.items.get(service_type="compute")
    assert item.task != before.task and (item.state, item.scode, item.message) == ("pending", 0, "")
    run = drive(run, term)
    assert (run.state, run.message, states(run)) == ("succeeded", "", ["committed", "committed"])
    # Each try wrote a backup of its own, and its marks stand beside those of the first.
    assert Backup.objects.filter(service_type="compute", update_time__isnull=False).count() == 2
    assert (root() / ".sysmgr" / "tasks" / str(before.task)).is_dir()
    assert HostService.objects.get(host__host_ip=IP, service_type="compute").version == "2.0"
    assert AuditRow.objects.filter(action="upgrade.retry", object=f"run {run.pk}").count() == 1


def test_a_retry_touches_no_host_that_another_run_has_meanwhile(
    demo_cluster: Cluster, term: int, tmp_path: Path
) -> None:
    well, version = mended(demo_cluster, tmp_path)
    places = [("10.30.12.165", "storage"), (IP, "compute")]
    run = drive(ask_all(demo_cluster, *places, version=version), term)
    assert states(run) == ["committed", "rolled_back"]
    other = ask_all(demo_cluster, ("10.30.12.165", "compute"))
    well.touch()
    controls.retry(demo_cluster, run.pk, SYSTEM)
    fence = root("10.30.12.165") / ".sysmgr" / "fence"
    fence.write_text(f"{demo_cluster.pk} {term + 5}\n")  # any step that the run asked for there would now fail
    assert drive(run, term).state == "succeeded"
    assert list(HostHold.objects.values_list("run", flat=True)) == [other.pk]


def test_a_bad_package_ends_a_run_that_goes_on(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask_all(demo_cluster, *PLACES)
    with monkeypatch.context() as patch:
        when(patch, "activating", "10.30.12.161", lambda: controls.pause(demo_cluster, run.pk, SYSTEM))
        drive(run, term)
    file = store(demo_cluster) / "updatepackage_1.5.tar.gz"
    good = file.read_bytes()
    file.write_bytes(b"spoilt")
    controls.resume(demo_cluster, run.pk, SYSTEM)
    run = drive(run, term)
    assert (run.state, run.error) == ("failed", "PackageUnusable")
    assert states(run) == ["committed", "skipped", "skipped"]
    assert not list((root() / "packages").glob("*")) and not HostHold.objects.exists()
    file.write_bytes(good)
    controls.retry(demo_cluster, run.pk, SYSTEM)
    assert drive(run, term).state == "succeeded"


def test_the_old_bytes_stay_where_a_run_was_cancelled_before_it_began(demo_cluster: Cluster, term: int) -> None:
    old = {host.host_ip: content(Path(host.root) / "storage") for host in Host.objects.all()}
    run = ask_all(demo_cluster, *PLACES)
    assert controls.cancel(demo_cluster, run.pk, SYSTEM).state == "cancelled"
    run = drive(run, term)
    assert (run.state, states(run)) == ("cancelled", ["skipped"] * 3)
    assert {host.host_ip: content(Path(host.root) / "storage") for host in Host.objects.all()} == old
    assert not HostHold.objects.exists()
