"""Commands of a package that want their host rebooted first (exit 75), on real folders: the run pauses there."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from cluster.models import Cluster, HostService
from sysmgr.audit.services import SYSTEM
from upgrades import controls
from upgrades.models import HostHold, StepLog, UpgradeRun

from .drive import IP, ask, broken_package, content, drive, root
from .ward import commands, folder, item, quick, steps

__all__ = ["folder", "quick"]
pytestmark = pytest.mark.django_db(transaction=True)
# Only the new release's want it: the old one's are asked earlier, and on the way back.
NEW_ONLY = ("start", "status", "health")


class Service(NamedTuple):
    """A service that runs while a file is there, and a host that was rebooted once another one is."""

    up: Path
    booted: Path

    def reboot(self) -> None:
        """Nobody starts the service by himself."""
        self.up.unlink(missing_ok=True)
        self.booted.touch()

    def package(self, cluster: Cluster, tmp_path: Path, wants: str) -> None:
        """Take in a package whose command `wants` a reboot."""
        texts = {
            "drain": "true",
            "stop": f"rm -f {self.up}",
            "start": f"touch {self.up}",
            "status": f"test -e {self.up}",
            "health": "true",
        }
        first = '[ "$SYSMGR_VERSION" = 1.3 ] || ' if wants in NEW_ONLY else ""
        texts[wants] = f"{first}[ -e {self.booted} ] || exit 75; {texts[wants]}"
        broken_package(cluster, tmp_path, "2.0", commands(**texts))


@pytest.fixture
def service(demo_cluster: Cluster, tmp_path: Path) -> Service:
    made = Service(tmp_path / "up", tmp_path / "booted")
    made.up.touch()
    return made


def resumed(cluster: Cluster, run: UpgradeRun, term: int) -> UpgradeRun:
    controls.resume(cluster, run.pk, SYSTEM)
    return drive(run, term)


@pytest.mark.parametrize(
    ("wants", "step", "state"),
    [
        ("drain", "drain", "staging"),
        ("stop", "activate", "activating"),
        ("start", "activate", "activating"),
        ("status", "verify", "verifying"),
        ("health", "verify", "verifying"),
    ],
)
def test_the_run_pauses_there_and_goes_on_after_the_reboot(
    demo_cluster: Cluster, term: int, tmp_path: Path, service: Service, wants: str, step: str, state: str
) -> None:
    service.package(demo_cluster, tmp_path, wants)
    run = drive(ask(demo_cluster, "storage", "compute", version="2.0"), term)
    assert (run.state, run.paused_by, run.scode) == ("paused", "reboot", 4055)
    assert step in run.message and IP in run.message
    assert (item(run).state, item(run).scode, HostHold.objects.filter(run=run).exists()) == (state, 0, True)
    log = StepLog.objects.filter(item__run=run, step=step).latest("pk")
    assert (log.code, log.text.splitlines()[0]) == (23, f"reboot_required {wants}")
    again = resumed(demo_cluster, run, term)
    assert (again.state, again.paused_by, item(again).state) == ("paused", "reboot", state)  # nobody did it
    service.reboot()
    run = resumed(demo_cluster, run, term)
    assert (run.state, run.message, item(run).message) == ("succeeded", "", "")
    assert service.up.exists() and content(root() / "storage" / "current")["file"] == b"storage 2.0"
    assert "rollback" not in steps(run)
    assert HostService.objects.get(host__host_ip=IP, service_type="storage").version == "2.0"


@pytest.mark.parametrize("wants", ["stop", "start", "status"])
def test_who_cancels_instead_gets_the_old_release_back(
    demo_cluster: Cluster, term: int, tmp_path: Path, service: Service, wants: str
) -> None:
    old = content(root() / "storage" / "current")
    service.package(demo_cluster, tmp_path, wants)
    run = drive(ask(demo_cluster, "storage", version="2.0"), term)
    assert run.paused_by == "reboot"
    controls.cancel(demo_cluster, run.pk, SYSTEM)
    run = drive(run, term)
    assert (item(run).state, item(run).reason) == ("rolled_back", "reboot_required")
    assert content(root() / "storage" / "current") == old and service.up.exists()
    assert run.ended and not HostHold.objects.exists()
