"""What a host's answer to `inspect` means for an upgrade; whatever it says, and leaves out, is an answer."""

from __future__ import annotations

import fcntl

import pytest

from cluster.models import Cluster
from sysmgr.audit.services import SYSTEM
from upgrades import agent, controls
from upgrades.engine.prechecks import check
from upgrades.models import UpgradeItem
from upgrades.transports.base import Result

from .drive import ask, drive, root

WELL = {
    "protocol": str(agent.PROTOCOL),
    "free_kb": "99999999",
    "writable": "yes",
    "service": "storage 1.0",
    "release_kb": "storage 100",
}


def found(**told: str) -> list[str]:
    """Return the checks that a host does not pass that answers like a good one, but for `told`."""
    item = UpgradeItem(service_type="storage", from_version="1.0", to_version="2.0")
    output = "".join(f"{key} {value}\n" for key, value in {**WELL, **told}.items())
    return [finding.check for finding in check(item, 100, Result(0, output))]


def test_a_good_host_passes() -> None:
    assert found() == []
    assert found(service="storage 2.0") == []


@pytest.mark.parametrize(
    ("told", "checks"),
    [
        ({"protocol": "1"}, ["protocol"]),
        ({"missing": "flock"}, ["tools"]),
        ({"writable": "no"}, ["writable"]),
        ({"service": "storage -"}, ["managed"]),
        ({"service": "storage"}, ["managed"]),
        ({"service": "storage 3.0"}, ["version"]),
        ({"free_kb": "10"}, ["disk_space"]),
        # A host without df or du: their numbers are left out.
        ({"missing": "df", "free_kb": ""}, ["tools", "disk_space"]),
        ({"missing": "du", "release_kb": "storage "}, ["tools"]),
        ({"free_kb": "²"}, ["disk_space"]),
        ({"free_kb": "9" * 5000}, ["disk_space"]),
        ({"service": "", "release_kb": "", "free_kb": "1 2"}, ["managed", "disk_space"]),
    ],
)
def test_each_fault_is_named(told: dict[str, str], checks: list[str]) -> None:
    assert found(**told) == checks


@pytest.mark.django_db(transaction=True)
def test_a_host_that_is_busy_holds_the_run_up(
    demo_cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSMGR_LOCK_SECONDS", "1")
    run = ask(demo_cluster, "storage")
    (root() / ".sysmgr").mkdir(exist_ok=True)
    with (root() / ".sysmgr" / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = drive(run, term)
        item = run.items.get()
        assert (run.state, run.paused_by) == ("paused", "precheck")
        assert (item.state, item.reason, item.definite) == ("pending", "lock_busy", False)
        assert "lock_busy" in run.message
    controls.resume(demo_cluster, run.pk, SYSTEM)
    assert drive(run, term).state == "succeeded"
