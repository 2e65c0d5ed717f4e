"""Prechecks that hold a run up, and what passes over them: waivers at the API door, driven on real directories."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from cluster.models import Cluster, HostService, LeaderLease
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from sysmgr.events.models import Event
from tests.conftest import client_of
from tests.upgrades.engine.drive import IP, ask_all, drive, root, states
from upgrades import controls
from upgrades.engine import prechecks
from upgrades.models import Backup, HostHold, UpgradeRun
from upgrades.next_steps import next_step

pytestmark = pytest.mark.django_db(transaction=True)
OTHER = "10.30.12.165"
PLACES = [(OTHER, "storage"), (IP, "storage")]


def post(client: Client, path: str, body: Any, **headers: str) -> Any:
    return client.post(f"/v1/system/{path}", json.dumps(body), content_type="application/json", headers=headers)


@pytest.fixture(autouse=True)
def lead(term: int) -> None:
    """Lead for as long as a test takes."""
    LeaderLease.objects.update(expires_at=timezone.now() + timedelta(days=1))


def waiver(host: str = IP, check: str = "disk_space") -> dict[str, str]:
    return {"host_ip": host, "check": check, "reason": "the estimate is too high"}


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no disk have the space that a run may need."""
    monkeypatch.setattr(prechecks, "SPARE_KB", 10**12)


def test_a_check_that_can_be_waived_holds_the_run_up_and_is_waived_host_by_host(
    demo_cluster: Cluster, demo_api: Client, term: int, full: None
) -> None:
    run = drive(ask_all(demo_cluster, *PLACES), term)
    assert (run.state, run.paused_by, run.scode, run.prechecked) == ("paused", "precheck", 4054, False)
    assert states(run) == ["pending", "pending"] and not Backup.objects.exists()
    assert f"disk_space on {IP}" in run.message and f"disk_space on {OTHER}" in run.message
    assert [item.scode for item in run.items.all()] == [4041, 4041]
    assert "upgrade/waive" in next_step(run)[0]
    named = {"upgrade_uuid": str(run.pk)}
    told = post(demo_api, "upgrade/waive", {**named, **waiver()}).json()["data"]
    assert (told["state"], told["options"]["waive"]) == ("paused", [waiver()])
    post(demo_api, "upgrade/resume", named)
    run = drive(run, term)
    # The other host still holds it up.
    assert (run.state, run.paused_by) == ("paused", "precheck")
    assert f"on {IP}" not in run.message and f"disk_space on {OTHER}" in run.message
    post(demo_api, "upgrade/waive", {**named, **waiver(OTHER)})
    post(demo_api, "upgrade/waive", {**named, **waiver(OTHER), "reason": "seen"})  # replaces the reason
    post(demo_api, "upgrade/resume", named)
    run = drive(run, term)
    assert (run.state, states(run)) == ("succeeded", ["committed", "committed"])
    assert [one["reason"] for one in run.options["waive"]] == ["the estimate is too high", "seen"]
    rows = AuditRow.objects.filter(action="upgrade.waive").order_by("seq")
    assert rows[0].changes == [{"path": f"options.waive.{IP}.disk_space", "from": "", "to": "the estimate is too high"}]
    # The mail of the end says what its event says.
    end = Event.objects.get(subject=run.pk, kind="upgrade.succeeded")
    for text in (end.message, end.message_cn):
        assert f"{IP} disk_space (the estimate is too high)" in text and f"{OTHER} disk_space (seen)" in text


def test_a_waiver_can_come_with_the_request(demo_cluster: Cluster, demo_api: Client, term: int, full: None) -> None:
    body = {"list": [{"host_ip": IP, "service_type": "storage"}], "options": {"waive": [waiver()]}}
    answer = post(demo_api, "compute/version/upgrade", body)
    assert drive(UpgradeRun.objects.get(pk=answer.json()["data"]["upgrade_uuid"]), term).state == "succeeded"
    row = AuditRow.objects.get(action="upgrade.request")
    assert [change["path"] for change in row.changes] == [f"options.waive.{IP}.disk_space"]


def test_what_can_not_be_waived_fails_the_run(demo_cluster: Cluster, term: int, full: None) -> None:
    (root() / "storage" / "current").unlink()
    run = drive(ask_all(demo_cluster, *PLACES), term)
    assert (run.state, run.error, states(run)) == ("failed", "PrecheckFailed", ["skipped", "failed"])
    assert "managed" in run.message


def test_a_host_that_does_not_answer_is_waited_for(demo_cluster: Cluster, term: int) -> None:
    folder = root()
    shutil.move(folder, folder.with_name("away"))
    run = drive(ask_all(demo_cluster, *PLACES), term)
    assert (run.state, run.paused_by, states(run)) == ("paused", "precheck", ["pending", "pending"])
    assert f"reachable on {IP}" in run.message
    shutil.move(folder.with_name("away"), folder)
    controls.resume(demo_cluster, run.pk, SYSTEM)
    run = drive(run, term)
    assert (run.state, [item.scode for item in run.items.all()]) == ("succeeded", [0, 0])


@pytest.mark.alike
@pytest.mark.parametrize(
    ("change", "desc"),
    [
        ({"check": "version"}, "check"),
        ({"check": "package"}, "check"),
        ({"check": "reachable"}, "check"),
        ({"check": 1}, "check"),
        ({"host_ip": "192.0.2.1"}, "host_ip"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 201}, "reason"),
        ({"more": 1}, "more"),
        ({"upgrade_uuid": "x"}, "upgrade_uuid"),
    ],
)
def test_a_wrong_waiver_is_refused_and_named(
    demo_cluster: Cluster, demo_api: Client, change: dict[str, Any], desc: str
) -> None:
    run = ask_all(demo_cluster, *PLACES)
    answer = post(demo_api, "upgrade/waive", {"upgrade_uuid": str(run.pk), **waiver(), **change})
    assert (answer.status_code, answer.json()["desc"]) == (400, desc)
    run.refresh_from_db()
    assert "waive" not in run.options


def test_who_may_waive_when_and_once(demo_cluster: Cluster, demo_api: Client) -> None:
    run = ask_all(demo_cluster, *PLACES)
    body = {"upgrade_uuid": str(run.pk), **waiver()}
    assert post(client_of("auditor"), "upgrade/waive", body).status_code == 403
    operator, key = client_of("operator"), {"Idempotency-Key": "once"}
    answers = [post(operator, "upgrade/waive", body, **key) for _ in range(2)]
    assert answers[0].json() == answers[1].json() and answers[1]["Idempotent-Replay"] == "true"
    nobody = {**body, "upgrade_uuid": "00000000-0000-4000-8000-000000000000"}
    assert post(demo_api, "upgrade/waive", nobody).json()["scode"] == 4047
    for state in ("running", "cancelling"):
        UpgradeRun.objects.update(state=state)
        answer = post(demo_api, "upgrade/waive", body)
        assert (answer.status_code, answer.json()["scode"]) == (409, 4048)


@pytest.mark.alike
@pytest.mark.parametrize(
    ("options", "desc"),
    [
        ({"waive": [waiver("192.0.2.1")]}, "options.waive[0].host_ip"),
        ({"waive": [waiver(), waiver(check="version")]}, "options.waive[1].check"),
        ({"waive": [waiver(), waiver()]}, "options.waive[1]"),
        ({"waive": {}}, "options.waive"),
        ({"pause_after": ["192.0.2.1"]}, "options.pause_after[0]"),
        ({"pause_after": [IP, IP]}, "options.pause_after[1]"),
        ({"pause_after": ["canary"], "canary": 0}, "options.pause_after"),
        ({"canary": -1}, "options.canary"),
        ({"canary": True}, "options.canary"),
        ({"soak_seconds": 86_401}, "options.soak_seconds"),
        ({"not_before": "soon"}, "options.not_before"),
        ({"not_after": 1}, "options.not_after"),
        ({"not_before": 9_000_000_000, "not_after": 9_000_000_000}, "options.not_after"),
        ({"not_after": 10**18}, "options.not_after"),
        ({"on_threshold": "nothing"}, "options.on_threshold"),
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(demo_api: Client, options: dict[str, Any], desc: str) -> None:
    body = {"list": [{"host_ip": IP, "service_type": "storage"}], "options": options}
    for path in ("upgrade/plan", "compute/version/upgrade"):
        answer = post(demo_api, path, body)
        assert (answer.status_code, answer.json()["desc"]) == (400, desc), answer.content
    assert not HostHold.objects.exists()
    assert HostService.objects.exists()
