"""A service that is watched before it is committed, on real folders: to the end, across leaders, or back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.models import Cluster, LeaderLease
from sysmgr.events.models import Event
from upgrades.engine import health
from upgrades.models import StepLog
from upgrades.transports.base import Result, Unreachable
from upgrades.transports.local import LocalTransport

from .drive import ask, broken_package, content, drive, go, root
from .ward import commands, folder, item, probed, quick

__all__ = ["folder", "quick"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_service_stays_watched_and_is_committed_at_the_end(
    demo_cluster: Cluster, term: int, folder: Path, tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    probed(demo_cluster, folder, f"echo x >>{asked}")
    run = drive(ask(demo_cluster, "storage", soak_seconds=2), term)
    one = item(run)
    assert (one.state, one.soak_until is not None) == ("committed", True)
    assert one.end_time >= one.soak_until  # type: ignore[operator]
    assert len(asked.read_text().split()) >= 4
    assert Event.objects.filter(kind="upgrade.item.soaking").count() == 1


def test_a_service_that_falls_ill_while_it_is_watched_goes_back(
    demo_cluster: Cluster, term: int, tmp_path: Path
) -> None:
    count = tmp_path / "count"
    broken_package(demo_cluster, tmp_path, "2.0", commands(status=f"echo x >>{count}; test $(wc -l <{count}) -lt 4"))
    old = content(root() / "storage" / "current")
    run = drive(ask(demo_cluster, "storage", version="2.0", soak_seconds=600), term)
    assert (item(run).state, item(run).scode) == ("rolled_back", 4095)
    assert "status says no" in item(run).message
    assert content(root() / "storage" / "current") == old
    # What went well is not noted each time.
    assert StepLog.objects.filter(item__run=run, step="check").count() == 0


def test_a_new_leader_goes_on_with_the_same_end(
    demo_cluster: Cluster, term: int, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probed(demo_cluster, folder, "true")
    run = ask(demo_cluster, "storage", soak_seconds=3)
    honest, looks = health.Health._look_or_wait, [0]

    async def cut(self: health.Health) -> tuple[str, bool]:
        looks[0] += 1
        if looks[0] > 1:
            raise RuntimeError("the manager dies")
        return await honest(self)

    with monkeypatch.context() as patch:
        patch.setattr(health.Health, "_look_or_wait", cut)
        with pytest.raises(RuntimeError):
            go(run, term)
    first = item(run)
    assert (first.state, first.soak_until is not None) == ("verifying", True)
    LeaderLease.objects.update(term=term + 1)
    run = drive(run, term + 1)
    assert (item(run).state, item(run).soak_until) == ("committed", first.soak_until)
    assert item(run).end_time >= first.soak_until  # type: ignore[operator]
    assert Event.objects.filter(kind="upgrade.item.soaking").count() == 1


def test_a_host_that_is_silent_for_a_moment_is_watched_on(
    demo_cluster: Cluster, term: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_package(demo_cluster, tmp_path, "2.0", commands(status="true"))
    honest, left = LocalTransport.run, [2]

    async def silent(self: LocalTransport, *words: str, **more: Any) -> Result:
        if words[0] == "check" and left[0]:
            left[0] -= 1
            raise Unreachable("no answer")
        return await honest(self, *words, **more)

    monkeypatch.setattr(LocalTransport, "run", silent)
    assert item(drive(ask(demo_cluster, "storage", version="2.0", soak_seconds=1), term)).state == "committed"
    broken_package(demo_cluster, tmp_path, "3.0", commands(status="true"))
    left[0] = -1
    monkeypatch.setattr(health.Health, "before", lambda self: _well())
    run = drive(ask(demo_cluster, "storage", version="3.0", soak_seconds=600), term)
    assert (item(run).state, item(run).scode) == ("rolled_back", 4095)
    assert "no answer" in item(run).message


def test_a_probe_that_is_away_for_a_moment_changes_nothing(
    demo_cluster: Cluster, term: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its program is exchanged, or another manager leads that lacks it; whoever sets another one meanwhile is heard."""
    probed(demo_cluster, folder, "true")
    honest, looks = health.Health._look_or_wait, [0]

    async def exchanged(self: health.Health) -> tuple[str, bool]:
        looks[0] += 1
        if looks[0] == 1:
            (folder / "look").rename(folder / "other")
        if looks[0] == 3:
            await Cluster.objects.aupdate(probes={"storage": {"kind": "command", "name": "other"}})
        return await honest(self)

    monkeypatch.setattr(health.Health, "_look_or_wait", exchanged)
    run = drive(ask(demo_cluster, "storage", soak_seconds=1), term)
    assert (item(run).state, looks[0] >= 3) == ("committed", True), item(run).message


def test_a_probe_that_stays_away_takes_the_service_back(
    demo_cluster: Cluster, term: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probed(demo_cluster, folder, "true")
    honest, looks = health.Health._look_or_wait, [0]

    async def removed(self: health.Health) -> tuple[str, bool]:
        looks[0] += 1
        (folder / "look").unlink(missing_ok=True)
        return await honest(self)

    monkeypatch.setattr(health.Health, "_look_or_wait", removed)
    run = drive(ask(demo_cluster, "storage", soak_seconds=600), term)
    assert (item(run).state, item(run).scode, looks[0]) == ("rolled_back", 4095, 3)
    assert "look: No such file" in item(run).message


async def _well() -> str:
    return ""
