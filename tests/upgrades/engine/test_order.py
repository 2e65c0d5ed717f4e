"""Who comes when: canary, batches, slots, managers last; and that the plan tells the same story as the engine."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from cluster.leader import Lease, LostLeadership
from cluster.models import Cluster, Host, LeaderLease, Member
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from sysmgr.events.models import Event
from upgrades import away, controls, limits, plans
from upgrades.models import UpgradeItem, UpgradeRun

from .drive import drive, go, states
from .fake import Fakes, ask, fakes, hosts, ip

__all__ = ["fakes"]
pytestmark = pytest.mark.django_db(transaction=True)
Place = tuple[str, str]


@pytest.fixture(autouse=True)
def lead(term: int) -> None:
    """Lead for as long as a test takes."""
    LeaderLease.objects.update(expires_at=timezone.now() + timedelta(days=1))


def compute(*numbers: int) -> list[Place]:
    return [(ip(number), "compute") for number in numbers]


def planned(cluster: Cluster, places: list[Place], **options: Any) -> list[set[Place]]:
    wanted = [{"host_ip": host, "service_type": service} for host, service in places]
    batches = plans.plan(cluster, wanted, options)["batches"]
    return [{(place["host_ip"], place["service_type"]) for place in batch} for batch in batches]


WIDE = {"max_unavailable": {"compute": 100, "storage": 100}}


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({**WIDE}, [1, 2, 4, 5]),
        ({**WIDE, "canary": 0}, [10, 2]),
        ({**WIDE, "canary": 3}, [3, 6, 3]),
        ({**WIDE, "max_parallel": 2}, [1, 2, 2, 2, 2, 2, 1]),
        ({**WIDE, "pause_after": ["192.0.2.4"]}, [1, 2, 2, 7]),
        ({"max_unavailable": {"compute": 3}, "canary": 2}, [2, 3, 1, 3, 3]),
        ({}, [1] * 12),
    ],
)
def test_the_engine_goes_as_the_plan_says(
    cluster: Cluster, term: int, fakes: Fakes, options: dict[str, Any], sizes: list[int]
) -> None:
    places = compute(*range(12))
    hosts(cluster, 12, "compute")
    shown = planned(cluster, places, **options)
    assert [len(batch) for batch in shown] == sizes
    run = drive(ask(cluster, places, **options), term)
    while run.state == "paused":
        controls.resume(cluster, run.pk, SYSTEM)
        run = drive(run, term)
    assert (run.state, fakes.batches()) == ("succeeded", shown)


def test_a_host_that_is_down_already_takes_a_slot(cluster: Cluster, term: int, fakes: Fakes) -> None:
    hosts(cluster, 5, "compute")
    old = ask(cluster, compute(4))
    UpgradeItem.objects.update(state="inconsistent", end_time=timezone.now())
    UpgradeRun.objects.update(state="failed", end_time=timezone.now())
    old.holds.all().delete()
    assert away.down(cluster.pk) == set(compute(4))
    options = {"max_unavailable": {"compute": 2}, "canary": 0}
    assert planned(cluster, compute(0, 1, 2), **options) == [{place} for place in compute(0, 1, 2)]
    assert drive(ask(cluster, compute(0, 1, 2), **options), term).state == "succeeded"
    assert fakes.most == {"compute": 1}
    # With all slots taken nothing is begun, and the run says so; the host that is down may be mended.
    run = drive(ask(cluster, compute(3)), term)
    assert (run.state, run.paused_by, run.scode, states(run)) == ("paused", "gate", 4056, ["pushing"])
    assert ip(4) in run.message
    assert drive(ask(cluster, compute(4)), term).state == "succeeded"
    assert away.down(cluster.pk) == set()
    controls.resume(cluster, run.pk, SYSTEM)
    assert drive(run, term).state == "succeeded"


def test_silence_and_maintenance_count_until_the_host_is_heard_again(cluster: Cluster, term: int) -> None:
    hosts(cluster, 2, "compute")
    ask(cluster, compute(0))
    UpgradeItem.objects.update(state="failed", scode=4043, end_time=timezone.now())
    Host.objects.filter(host_ip=ip(1)).update(maintenance=True, maintenance_reason="new disks")
    assert away.down(cluster.pk) == set(compute(0, 1))
    Host.objects.update(seen_time=timezone.now() + timedelta(seconds=1), maintenance=False, maintenance_reason="")
    assert away.down(cluster.pk) == set()


def test_a_host_that_waits_for_its_reboot_is_away_for_every_other_run(cluster: Cluster, term: int) -> None:
    hosts(cluster, 2, "compute")
    ask(cluster, compute(0))
    UpgradeItem.objects.update(state="verifying")
    assert away.down(cluster.pk) == set()  # its own run has the slot, and drives it
    UpgradeRun.objects.update(state="paused", paused_by="reboot")
    assert away.down(cluster.pk) == set(compute(0))


def test_a_host_whose_release_is_unproven_keeps_its_slot(
    cluster: Cluster, term: int, fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts(cluster, 4, "compute")
    honest = fakes.change

    async def unproven(task: Any) -> None:
        if task.item.host_ip == ip(0):
            await task.move("backing_up")
            await task.move("inconsistent")
        else:
            await honest(task)

    monkeypatch.setattr(fakes, "change", unproven)
    options = {"max_unavailable": {"compute": 1}, "fail_count": 4}
    run = drive(ask(cluster, compute(0, 1, 2), **options), term)
    assert (run.state, run.paused_by, states(run)) == ("paused", "gate", ["inconsistent", "pushing", "pushing"])


def test_managers_come_last_and_the_leaders_own_host_the_very_last(cluster: Cluster, term: int, fakes: Fakes) -> None:
    hosts(cluster, 4, "compute")
    LeaderLease.objects.update(address=ip(0))
    Member.objects.create(address=ip(1), version="1", heartbeat=timezone.now())
    places = compute(0, 1, 2, 3)
    run = ask(cluster, places)
    assert list(run.items.order_by("ordinal").values_list("host_ip", flat=True)) == [ip(2), ip(3), ip(1), ip(0)]
    # Another one leads by the time that it is driven: what counts is who leads then.
    LeaderLease.objects.update(address=ip(3))
    Member.objects.create(address=ip(0), version="1", heartbeat=timezone.now())
    with pytest.raises(LostLeadership):
        go(run, term)
    assert [host for host, _ in fakes.order] == [ip(2), ip(1), ip(0)]
    assert Event.objects.get(kind="upgrade.hand_over", subject=run.pk).data["host_ip"] == ip(3)
    assert AuditRow.objects.filter(action="leader.hand_over", object=f"host {ip(3)}").count() == 1
    # The lease is free at once; whoever takes it goes on with the host that was the leader's own.
    assert Lease(ip(1)).acquire()
    assert drive(run, term + 1).state == "succeeded"
    assert [host for host, _ in fakes.order] == [ip(2), ip(1), ip(0), ip(3)]
    assert not Event.objects.filter(kind="upgrade.own_host").exists()


@pytest.mark.parametrize("others", [True, False])
def test_a_leader_that_nobody_relieves_upgrades_its_own_host(
    cluster: Cluster, term: int, fakes: Fakes, others: bool
) -> None:
    hosts(cluster, 3, "compute")
    LeaderLease.objects.update(address=ip(0))
    places = compute(0, 1, 2)
    shown = [set(compute(1)), set(compute(2)), set(compute(0))]
    assert planned(cluster, places, **WIDE) == shown
    run = ask(cluster, places, **WIDE)
    if others:  # one that does not take the lead after all
        Member.objects.create(address="10.0.0.9", version="1", heartbeat=timezone.now())
        with pytest.raises(LostLeadership):
            go(run, term)
        assert Lease(ip(0)).acquire()
        term += 1
    assert drive(run, term).state == "succeeded"
    assert fakes.batches() == shown
    assert Event.objects.filter(kind="upgrade.hand_over").count() == int(others)
    assert Event.objects.filter(kind="upgrade.own_host").count() == 1


def test_two_runs_of_one_cluster_share_its_slots(cluster: Cluster, term: int, fakes: Fakes) -> None:
    import asyncio

    from asgiref.sync import sync_to_async
    from django.db import connections

    from upgrades.engine.run import Drive

    hosts(cluster, 4, "storage")
    storage = [(ip(number), "storage") for number in range(4)]
    runs = [ask(cluster, storage[:2]), ask(cluster, storage[2:])]

    async def both() -> None:
        await asyncio.gather(*(Drive(run.pk, term).go() for run in runs))
        await sync_to_async(connections.close_all)()

    asyncio.run(both())
    assert set(UpgradeRun.objects.values_list("state", flat=True)) == {"succeeded"}
    assert fakes.most == {"storage": 1}


def test_a_new_leader_goes_on_with_the_same_stage(
    cluster: Cluster, term: int, fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts(cluster, 7, "compute")
    run = ask(cluster, compute(*range(7)), **WIDE)
    honest = fakes.change

    async def killed(task: Any) -> None:
        if task.item.host_ip == ip(2):
            await task.move("backing_up")
            raise OSError("killed")
        await honest(task)

    with monkeypatch.context() as patch:
        patch.setattr(fakes, "change", killed)
        with pytest.raises(OSError, match="killed"):
            drive(run, term)
    LeaderLease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert Lease("10.0.0.9").acquire()
    fakes.order.clear()
    assert drive(run, term + 1).state == "succeeded"
    # The canary is not made again; the second stage is brought to its end before the third one begins.
    assert fakes.batches() == [set(compute(1, 2)), set(compute(3, 4, 5, 6))]


def test_stages_and_points_are_worked_out_from_the_items_alone() -> None:
    five = [ip(number) for number in range(5)]
    assert limits.stages(five, {}) == [five[:1], five[1:3], five[3:]]
    assert limits.stages(five[:1], {}) == [five[:1]]
    assert limits.stages([], {}) == []
    both = {"pause_after": [ip(3), "canary"], "canary": 2}
    assert limits.stages(five, both) == [five[:2], five[2:4], five[4:]]
    assert limits.points_due(five, both, set(five[:1])) == []
    assert limits.points_due(five, both, set(five[:2])) == ["canary"]
    assert limits.points_due(five, {**both, "paused_after": ["canary"]}, set(five[:4])) == [ip(3)]


def test_a_canary_that_was_left_out_is_none(
    cluster: Cluster, term: int, fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts(cluster, 4, "compute")
    honest = fakes.change

    async def unwell(task: Any) -> None:
        if task.item.host_ip == ip(0):
            await task.move("skipped")
        else:
            await honest(task)

    monkeypatch.setattr(fakes, "change", unwell)
    assert drive(ask(cluster, compute(0, 1, 2, 3), **WIDE), term).state == "succeeded"
    assert fakes.batches() == [set(compute(1)), set(compute(2, 3))]
