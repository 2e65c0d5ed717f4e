"""Hosts that a run does not wait for, and failures that are tried again only when somebody insists."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from cluster.models import Cluster, Host, HostService, LeaderLease
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from sysmgr.events.models import Event
from tests.conftest import client_of
from tests.upgrades.engine.drive import IP, ask_all, broken_package, drive, root, states
from upgrades import away, controls
from upgrades.models import HostHold, UpgradeItem, UpgradeRun

pytestmark = pytest.mark.django_db(transaction=True)
OTHER = "10.30.12.165"
PLACES = [(OTHER, "storage"), (IP, "compute"), (IP, "storage")]


def post(client: Client, path: str, body: Any, **headers: str) -> Any:
    return client.post(f"/v1/system/{path}", json.dumps(body), content_type="application/json", headers=headers)


def skip(client: Client, run: UpgradeRun, host: str = IP, **more: Any) -> Any:
    return post(client, "upgrade/skip", {"upgrade_uuid": str(run.pk), "host_ip": host, "reason": "dead", **more})


@pytest.fixture(autouse=True)
def lead(term: int) -> None:
    """Lead for as long as a test takes."""
    LeaderLease.objects.update(expires_at=timezone.now() + timedelta(days=1))


def missed(host: str = IP) -> dict[str, str]:
    return dict(HostService.objects.filter(host__host_ip=host).values_list("service_type", "catch_up"))


def test_a_dead_host_is_left_out_and_caught_up_later(demo_cluster: Cluster, demo_api: Client, term: int) -> None:
    folder = root()
    shutil.move(folder, folder.with_name("dead"))
    run = drive(ask_all(demo_cluster, *PLACES), term)
    assert (run.state, run.paused_by) == ("paused", "precheck")
    answer = skip(demo_api, run).json()["data"]
    assert (answer["state"], answer["counts"]) == ("paused", {"pending": 1, "skipped": 2})
    assert list(HostHold.objects.values_list("host__host_ip", flat=True)) == [OTHER]
    assert missed() == {"compute": "1.5", "storage": "1.5"}
    assert set(run.items.filter(host_ip=IP).values_list("skip_reason", flat=True)) == {"dead"}
    assert skip(demo_api, run).json()["data"] == answer  # asked again, it changes nothing
    assert AuditRow.objects.get(action="upgrade.skip").changes == [{"path": f"skip.{IP}", "from": "", "to": "dead"}]
    assert Event.objects.get(kind="upgrade.skip").data["host_ip"] == IP
    # It does not answer: what it runs is away for every other run, until it is heard again.
    assert away.down(demo_cluster.pk) == {(IP, "compute"), (IP, "storage")}
    controls.resume(demo_cluster, run.pk, SYSTEM)
    run = drive(run, term)
    # Its storage takes the only slot.
    assert (run.state, run.paused_by) == ("paused", "gate")
    shutil.move(folder.with_name("dead"), folder)
    Host.objects.filter(host_ip=IP).update(seen_time=UpgradeItem.objects.latest("update_time").update_time)
    controls.resume(demo_cluster, run.pk, SYSTEM)
    run = drive(run, term)
    assert (run.state, states(run)) == ("succeeded", ["committed", "skipped", "skipped"])
    assert "2 of 3" in run.message and run.message_cn
    # An older version is no catching up; the version itself is.
    assert drive(ask_all(demo_cluster, (IP, "storage"), version="1.4.1"), term).state == "succeeded"
    assert missed()["storage"] == "1.5"
    assert drive(ask_all(demo_cluster, (IP, "storage")), term).state == "succeeded"
    assert missed() == {"compute": "1.5", "storage": ""}


def test_a_run_of_which_nothing_is_left_is_over(demo_cluster: Cluster, demo_api: Client) -> None:
    run = ask_all(demo_cluster, (IP, "storage"))
    told = skip(demo_api, run).json()["data"]
    assert (told["state"], told["end_time"] is None) == ("cancelled", False)
    assert not HostHold.objects.exists()
    assert skip(demo_api, run).json()["scode"] == 4048


@pytest.mark.parametrize(("first", "ends"), [("committed", "succeeded"), ("rolled_back", "failed")])
def test_the_rest_decides_how_a_run_ends_whose_last_host_is_left_out(
    demo_cluster: Cluster, demo_api: Client, first: str, ends: str
) -> None:
    run = ask_all(demo_cluster, *PLACES)
    run.items.filter(host_ip=OTHER).update(state=first)
    UpgradeRun.objects.update(state="paused", paused_by="operator", prechecked=True)
    told = skip(demo_api, run).json()["data"]
    assert (told["state"], told["paused_by"]) == (ends, "")
    assert Event.objects.filter(subject=run.pk, kind=f"upgrade.{ends}").count() == 1


def test_what_has_begun_on_a_host_is_ended_first(demo_cluster: Cluster, demo_api: Client) -> None:
    run = ask_all(demo_cluster, *PLACES)
    run.items.filter(service_type="compute").update(state="activating")
    UpgradeRun.objects.update(state="paused", paused_by="reboot", prechecked=True)
    answer = skip(demo_api, run)
    assert (answer.status_code, answer.json()["scode"]) == (409, 4058)
    assert HostHold.objects.count() == 2 and set(missed().values()) == {""}
    assert skip(demo_api, run, OTHER).status_code == 200


@pytest.mark.parametrize(
    ("change", "desc"), [({"host_ip": "192.0.2.1"}, "host_ip"), ({"reason": ""}, "reason"), ({"more": 1}, "more")]
)
def test_a_wrong_skip_is_refused_and_named(
    demo_cluster: Cluster, demo_api: Client, change: dict[str, Any], desc: str
) -> None:
    answer = skip(demo_api, ask_all(demo_cluster, *PLACES), **change)
    assert (answer.status_code, answer.json()["desc"]) == (400, desc)


def test_who_may_skip_and_when(demo_cluster: Cluster, demo_api: Client) -> None:
    run = ask_all(demo_cluster, *PLACES)
    assert skip(client_of("auditor"), run).status_code == 403
    for state in ("prechecking", "running", "cancelling"):
        UpgradeRun.objects.update(state=state)
        assert skip(demo_api, run).json()["scode"] == 4048
    UpgradeRun.objects.update(state="pending")
    key = {"upgrade_uuid": str(run.pk), "host_ip": IP, "reason": "dead"}
    operator = client_of("operator")
    answers = [post(operator, "upgrade/skip", key, **{"Idempotency-Key": "once"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json() and answers[1]["Idempotent-Replay"] == "true"


def retry(client: Client, run: UpgradeRun, **more: Any) -> Any:
    return post(client, "upgrade/retry", {"upgrade_uuid": str(run.pk), **more})


def test_a_definite_failure_is_tried_again_only_when_somebody_insists(
    demo_cluster: Cluster, demo_api: Client, term: int, tmp_path: Path
) -> None:
    well = tmp_path / "well"
    toml = f'[services.compute.commands.status]\nargv = ["test", "-e", "{well}"]\nseconds = 1\n'
    broken_package(demo_cluster, tmp_path, "2.0", toml)
    run = drive(ask_all(demo_cluster, (IP, "compute"), (IP, "storage"), version="2.0", fail_count=2), term)
    assert states(run) == ["rolled_back", "committed"]
    run.items.filter(service_type="compute").update(definite=True, reason="status_failed")
    answer = retry(demo_api, run)
    assert (answer.status_code, answer.json()["scode"]) == (409, 4059)
    assert f"{IP} compute (status_failed)" in answer.json()["message"]
    assert retry(demo_api, run, force=1).json()["desc"] == "force"
    well.touch()
    assert retry(demo_api, run, force=True).json()["data"]["state"] == "pending"
    item = run.items.get(service_type="compute")
    assert (item.state, item.definite, item.reason, item.begin_time) == ("pending", False, "", None)
    assert drive(run, term).state == "succeeded"


def test_a_retry_leaves_definite_and_skipped_ones_as_they_are(
    demo_cluster: Cluster, demo_api: Client, term: int
) -> None:
    run = ask_all(demo_cluster, *PLACES)
    run.items.filter(host_ip=OTHER).update(state="failed", definite=True)
    run.items.filter(service_type="compute").update(state="rolled_back")
    run.items.filter(host_ip=IP, service_type="storage").update(state="skipped", skip_reason="dead")
    UpgradeRun.objects.update(state="paused", paused_by="threshold", prechecked=True)
    told = retry(demo_api, run).json()["data"]
    assert [item["state"] for item in told["results"]] == ["failed", "pending", "skipped"]
    run = drive(run, term)
    assert (run.forgiven, run.state, states(run)) == (1, "failed", ["failed", "committed", "skipped"])
    assert retry(demo_api, run, force=True).status_code == 200
    assert drive(run, term).state == "succeeded"


def test_what_was_only_left_out_is_tried_again_only_when_somebody_insists(
    demo_cluster: Cluster, demo_api: Client
) -> None:
    run = ask_all(demo_cluster, (IP, "compute"))
    assert skip(demo_api, run).json()["data"]["state"] == "cancelled"
    answer = retry(demo_api, run).json()
    assert (answer["scode"], "force: true" in answer["message"]) == (4059, True)
    assert f"{IP} compute (dead)" in answer["message"]
    assert retry(demo_api, run, force=True).json()["data"]["state"] == "pending"


@pytest.mark.parametrize("left", [[], [("10.30.12.161", "cloud")]])
def test_what_was_pushed_to_a_host_that_is_left_out_is_removed(
    demo_cluster: Cluster, demo_api: Client, term: int, left: list[tuple[str, str]]
) -> None:
    """By the leader: so a run of which nothing is left goes to him once more."""
    run = drive(ask_all(demo_cluster, *PLACES, *left, pause_after=["canary"]), term)
    assert states(run)[:3] == ["committed", "pushing", "pushing"] and list((root() / "packages").iterdir())
    assert skip(demo_api, run).json()["data"]["state"] == ("paused" if left else "running")
    if left:
        controls.resume(demo_cluster, run.pk, SYSTEM)
    run = drive(run, term)
    assert (run.state, states(run)[:3]) == ("succeeded", ["committed", "skipped", "skipped"])
    assert not list((root() / "packages").iterdir())
