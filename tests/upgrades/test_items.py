"""One item and a run's progress at the API door: why, how long, how much; at the same cost for any number of hosts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cluster.models import Cluster
from sysmgr.events.models import Event
from tests.upgrades.engine.drive import IP, ask, broken_package, drive
from upgrades import following, item_selectors, pace
from upgrades.engine.reasons import REASONS
from upgrades.models import StepLog, UpgradeItem, UpgradeRun

pytestmark = pytest.mark.django_db(transaction=True)
FAILS = '[services.compute.commands.status]\nargv = ["sh", "-c", "echo down; exit 1"]\nseconds = 1\n'
NOW = timezone.now()


def get(api: Client, run: UpgradeRun, host: str = IP, service: str = "storage") -> Any:
    names = {"upgrade_uuid": str(run.pk), "host_ip": host, "service_type": service}
    return api.get("/v1/system/upgrade/item/inspect", names)


def inspect(api: Client, run: UpgradeRun) -> dict[str, Any]:
    answer = api.get("/v1/system/upgrade/inspect", {"upgrade_uuid": str(run.pk)})
    found: dict[str, Any] = answer.json()["data"]
    return found


def test_an_item_tells_its_steps(demo_cluster: Cluster, demo_api: Client, term: int) -> None:
    run = ask(demo_cluster, "storage")
    waiting = get(demo_api, run).json()["data"]
    assert (waiting["state"], waiting["steps"], waiting["begin_time"], waiting["sent"]) == ("pending", [], None, 0)
    assert waiting["payload_bytes"] > 0
    drive(run, term)
    data = get(demo_api, run).json()["data"]
    assert (data["upgrade_uuid"], data["state"], data["reason"], data["next_step"]) == (
        str(run.pk),
        "committed",
        "",
        "",
    )
    assert data["begin_time"] <= data["end_time"]
    steps = {step["step"]: step for step in data["steps"]}
    assert list(steps)[:3] == ["spec", "need", "push"] and {step["code"] for step in data["steps"]} == {0}
    assert steps["push"]["sent"] == data["sent"] > 0 and steps["push"]["rate"] > 0
    assert steps["backup"]["rate"] == 0 and steps["backup"]["seconds"] > 0


def test_a_failed_item_says_why_and_what_to_do(
    demo_cluster: Cluster, demo_api: Client, term: int, tmp_path: Path
) -> None:
    broken_package(demo_cluster, tmp_path, "2.0", FAILS)
    run = drive(ask(demo_cluster, "compute", version="2.0"), term)
    data = get(demo_api, run, service="compute").json()["data"]
    assert (data["state"], data["reason"], data["definite"]) == ("rolled_back", "hook_failed", False)
    assert data["next_step"] == REASONS["hook_failed"].todo and data["next_step_cn"] == REASONS["hook_failed"].todo_cn
    failed = [step for step in data["steps"] if step["code"]]
    assert [step["step"] for step in failed] == ["verify"] and "down" in failed[0]["text"]


def test_what_is_not_there_is_told(demo_cluster: Cluster, demo_api: Client, term: int) -> None:
    run = ask(demo_cluster, "storage")
    assert (
        get(demo_api, run, service="compute").status_code,
        get(demo_api, run, service="compute").json()["desc"],
    ) == (
        400,
        "host_ip",
    )
    assert get(demo_api, run, host="").json()["desc"] == "host_ip"
    assert get(demo_api, run, service="").json()["desc"] == "service_type"
    run.pk = "00000000-0000-4000-8000-000000000000"
    assert get(demo_api, run).status_code == 404


def test_only_the_newest_steps_are_shown(
    demo_cluster: Cluster, demo_api: Client, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_selectors, "STEPS_SHOWN", 3)
    run = ask(demo_cluster, "storage")
    item = run.items.get()
    for place in range(5):
        StepLog.objects.create(item=item, task=item.task, step=f"s{place}", begin_time=NOW, seconds=0)
    data = get(demo_api, run).json()["data"]
    assert ([step["step"] for step in data["steps"]], data["left_out"]) == (["s2", "s3", "s4"], 2)
    assert data["steps"][0]["code"] is None


def test_progress_learns_how_long_the_rest_takes(
    demo_cluster: Cluster, demo_api: Client, term: int, tmp_path: Path
) -> None:
    run = ask(demo_cluster, "storage", "compute", version="1.5")
    before = inspect(demo_api, run)["progress"]
    size = sum(run.items.values_list("payload_bytes", flat=True))
    assert before == {"ended": 0, "total": 2, "bytes": size, "sent": 0, "seconds_left": None}
    drive(run, term)
    after = inspect(demo_api, run)["progress"]
    assert (after["ended"], after["sent"], after["seconds_left"]) == (2, after["bytes"], 0)
    # Of the next run it is known from the first one; of the last item from the run's own.
    UpgradeItem.objects.filter(run=run).update(begin_time=NOW - timedelta(seconds=40), end_time=NOW)
    broken_package(demo_cluster, tmp_path, "2.0", "")
    later = ask(demo_cluster, "storage", "compute", version="2.0")
    assert inspect(demo_api, later)["progress"]["seconds_left"] == 80
    later.items.filter(service_type="compute").update(
        state="committed", begin_time=NOW - timedelta(seconds=10), end_time=NOW
    )
    UpgradeRun.objects.filter(pk=later.pk).update(state="running")
    assert inspect(demo_api, later)["progress"]["seconds_left"] == 40
    UpgradeRun.objects.filter(pk=later.pk).update(state="paused", paused_by="operator")
    assert inspect(demo_api, later)["progress"]["seconds_left"] is None


def test_what_is_left_to_push_counts_by_its_pace(demo_cluster: Cluster, term: int) -> None:
    run = ask(demo_cluster, "storage")
    item = run.items.get()
    item.payload_bytes, item.sent = 5_000_000, 1_000_000
    run.state = "running"
    assert pace.seconds_left(run, [item], {"storage": 10.0}, 0) == 10
    assert pace.seconds_left(run, [item], {"storage": 10.0}, 1_000_000) == 14
    item.state, item.begin_time = "activating", timezone.now() - timedelta(seconds=4)
    assert pace.seconds_left(run, [item], {"storage": 10.0}, 1_000_000) == 6
    assert pace.push_rate(run) == 0
    for begin, seconds in ((0, 2.0), (2, 2.0)):
        begin_time = NOW + timedelta(seconds=begin)
        StepLog.objects.create(
            item=item, task=item.task, step="push", begin_time=begin_time, seconds=seconds, code=0, sent=2_000_000
        )
    assert pace.push_rate(run) == 1_000_000


@pytest.fixture(params=[1, 1000])
def large(request: pytest.FixtureRequest, demo_cluster: Cluster, term: int) -> UpgradeRun:
    """A run that goes on, of so many items, with steps and events."""
    run = UpgradeRun.objects.create(cluster=demo_cluster, state="running", prechecked=True)
    items = UpgradeItem.objects.bulk_create(
        UpgradeItem(
            run=run,
            ordinal=place,
            host_ip=f"10.0.{place // 250}.{place % 250}",
            service_type="compute",
            package_name="p",
            from_version="1",
            to_version="2",
            state="pushing" if place % 2 else "activating",
            begin_time=NOW,
            payload_bytes=100,
        )
        for place in range(request.param)
    )
    StepLog.objects.bulk_create(
        StepLog(item=item, task=item.task, step="push", begin_time=NOW, seconds=1, code=0, sent=9) for item in items
    )
    Event.objects.bulk_create(Event(kind="upgrade.item.pushing", subject=run.pk, message="m") for item in items)
    return run


def queries(work: Any) -> int:
    with CaptureQueriesContext(connection) as seen:
        work()
    return len([query for query in seen if "SAVEPOINT" not in query["sql"]])


def test_reads_cost_the_same_at_any_size(large: UpgradeRun, demo_api: Client) -> None:
    inspect(demo_api, large)
    assert queries(lambda: inspect(demo_api, large)) == 6  # gate · run · items · learned · pushes · rollback
    assert queries(lambda: get(demo_api, large, "10.0.0.0", "compute")) == 4  # gate · run · item · steps
    follow = following.Follow(large, recent=20)
    assert queries(follow.look) == 3
    assert follow.look().events == []
    Event.objects.create(kind="x", subject=large.pk, message="m")
    assert [event.kind for event in follow.look().events] == ["x"]
