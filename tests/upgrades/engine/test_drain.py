"""Drain and undrain around the change, on real folders; a failing one leaves a host that everybody can tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.host_services import remove_host
from cluster.models import Cluster
from sysmgr.audit.services import SYSTEM
from sysmgr.events.models import Alert, Event

from .drive import IP, ask, broken_package, content, drive, root
from .ward import commands, folder, item, quick, steps

__all__ = ["folder", "quick"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_drain_and_undrain_stand_around_the_change(demo_cluster: Cluster, term: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    said = f"echo {{}} $(readlink {root()}/storage/current) >>{log}"
    broken_package(demo_cluster, tmp_path, "2.0", commands(drain=said.format("drain"), undrain=said.format("undrain")))
    run = drive(ask(demo_cluster, "storage", version="2.0"), term)
    assert item(run).state == "committed"
    assert steps(run) == ["drain", "activate", "commit", "undrain"]
    assert log.read_text().splitlines() == ["drain releases/1.3", "undrain releases/2.0"]


def test_a_failing_drain_leaves_the_host_untouched(demo_cluster: Cluster, term: int, tmp_path: Path) -> None:
    back = tmp_path / "back"
    broken_package(demo_cluster, tmp_path, "2.0", commands(drain="exit 4", undrain=f"touch {back}"))
    old = content(root() / "storage" / "current")
    run = drive(ask(demo_cluster, "storage", version="2.0"), term)
    assert (item(run).state, item(run).scode) == ("failed", 4040)
    assert steps(run) == ["drain", "undrain"] and back.exists()
    assert content(root() / "storage" / "current") == old


def test_undrain_follows_a_rollback(demo_cluster: Cluster, term: int, tmp_path: Path) -> None:
    toml = commands(drain="true", undrain="true", health="false")
    broken_package(demo_cluster, tmp_path, "2.0", toml)
    run = drive(ask(demo_cluster, "storage", version="2.0"), term)
    assert item(run).state == "rolled_back"
    assert steps(run) == ["drain", "activate", "rollback", "undrain"]


@pytest.mark.parametrize(("check", "state"), [("true", "committed"), ("false", "rolled_back")])
def test_a_failing_undrain_is_told_and_changes_no_outcome(
    demo_cluster: Cluster, term: int, tmp_path: Path, check: str, state: str
) -> None:
    mended = tmp_path / "mended"
    broken_package(demo_cluster, tmp_path, "2.0", commands(drain="true", undrain=f"test -e {mended}", health=check))
    run = drive(ask(demo_cluster, "storage", version="2.0"), term)
    one = item(run)
    assert one.state == state
    assert "undrain failed (exit 1)" in one.message
    assert ("health" in one.message) == (state == "rolled_back")  # why it went back stays told
    alert = Alert.objects.get(key__startswith="upgrade.drained:")
    assert alert.state == "open"
    assert Event.objects.filter(kind="upgrade.item.still_drained", subject=run.pk).count() == 1
    if state == "committed":
        assert run.state == "succeeded"
        mended.touch()
        broken_package(demo_cluster, tmp_path, "3.0", commands(drain="true", undrain="true"))
        assert item(drive(ask(demo_cluster, "storage", version="3.0"), term)).message == ""
    else:
        remove_host(demo_cluster, IP, SYSTEM)  # nobody can give it its work back any more
    alert.refresh_from_db()
    assert alert.state == "closed"
