"""Pause, resume, cancel and retry at the API door: right, wrong, forbidden, repeated, at the same time."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from cluster.models import HostService, LeaderLease
from sysmgr.audit.models import AuditRow
from tests.conftest import client_of
from tests.together import at_once
from upgrades.models import Backup, HostHold, TrustedKey, UpgradeItem, UpgradePackage, UpgradeRun

pytestmark = pytest.mark.django_db(transaction=True)
IP = "10.30.12.55"
CALLS = ("upgrade/pause", "upgrade/resume", "upgrade/cancel", "upgrade/retry")
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def api(demo_api: Client) -> Client:
    """An administrator's client of the demo."""
    return demo_api


def post(client: Client, path: str, body: Any, **headers: str) -> Any:
    return client.post(f"/v1/system/{path}", json.dumps(body), content_type="application/json", headers=headers)


def call(client: Client, verb: str, run: str, **headers: str) -> Any:
    return post(client, f"upgrade/{verb}", {"upgrade_uuid": run}, **headers)


@pytest.fixture
def run(api: Client) -> str:
    """A run of two services that nobody drives."""
    items = [{"host_ip": IP, "service_type": service} for service in ("compute", "storage")]
    answer = post(api, "compute/version/upgrade", {"list": items})
    return str(answer.json()["data"]["upgrade_uuid"])


def put(run: str, state: str, *items: str, **told: Any) -> None:
    """Set a run and its items to states, as a leader would have left them."""
    ended = state in UpgradeRun.ENDED
    UpgradeRun.objects.filter(pk=run).update(state=state, end_time=timezone.now() if ended else None, **told)
    for item, to in zip(UpgradeItem.objects.filter(run=UUID(run)).order_by("ordinal"), items, strict=False):
        UpgradeItem.objects.filter(pk=item.pk).update(state=to, scode=4040 if to in UpgradeItem.BAD else 0)
    if ended:
        HostHold.objects.filter(run=UUID(run)).delete()


def test_a_waiting_run_is_paused_resumed_and_cancelled_at_once(api: Client, run: str) -> None:
    paused = call(api, "pause", run)
    assert paused.status_code == 200
    data = paused.json()["data"]
    assert list(data)[:6] == ["upgrade_uuid", "state", "paused_by", "next_step", "counts", "progress"]
    assert list(data)[-1] == "results"
    assert (data["state"], data["paused_by"]) == ("paused", "operator")
    assert "upgrade/resume" in data["next_step"] and "upgrade/resume" in data["next_step_cn"]
    assert (data["kind"], data["counts"]) == ("upgrade", {"pending": 2})
    assert (data["progress"]["ended"], data["progress"]["total"], data["progress"]["sent"]) == (0, 2, 0)
    assert data == api.get(f"/v1/system/upgrade/inspect?upgrade_uuid={run}").json()["data"]
    assert HostHold.objects.count() == 1

    assert call(api, "pause", run).json()["data"] == data  # asked again, it changes nothing
    assert call(api, "resume", run).json()["data"]["state"] == "pending"
    assert call(api, "resume", run).json()["data"]["paused_by"] == ""
    cancelled = call(api, "cancel", run).json()["data"]
    assert (cancelled["state"], cancelled["counts"], cancelled["scode"]) == ("cancelled", {"skipped": 2}, 0)
    assert "0 of 2" in cancelled["message"] and cancelled["end_time"]
    assert call(api, "cancel", run).json()["data"] == cancelled
    assert not HostHold.objects.exists()
    actions = AuditRow.objects.filter(object=f"run {run}").order_by("seq").values_list("action", flat=True)
    assert list(actions) == ["upgrade.request", "upgrade.pause", "upgrade.resume", "upgrade.cancel"]


@pytest.mark.parametrize("state", ["prechecking", "running"])
def test_a_run_under_way_rests_by_its_leaders_hand(api: Client, run: str, state: str) -> None:
    put(run, state, prechecked=state == "running")
    assert call(api, "pause", run).json()["data"]["state"] == "pausing"
    assert call(api, "resume", run).json()["data"]["state"] == state
    assert call(api, "cancel", run).json()["data"]["state"] == "cancelling"
    for verb in ("pause", "resume", "retry"):
        answer = call(api, verb, run)
        assert (answer.status_code, answer.json()["scode"]) == (409, 4048)
        assert "cancelling" in answer.json()["message"]


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_an_ended_run_says_that_it_is_over(api: Client, run: str, state: str, verb: str) -> None:
    put(run, state)
    answer = call(api, verb, run)
    if (verb, state) == ("cancel", "cancelled"):
        assert answer.status_code == 200
        return
    assert (answer.status_code, answer.json()["scode"], answer.json()["desc"]) == (409, 4048, "upgrade_uuid")
    assert state in answer.json()["message"] and f"upgrade/{verb}" in answer.json()["message"]


def test_going_on_counts_failures_from_here(api: Client, run: str) -> None:
    put(run, "paused", "rolled_back", "pushing", paused_by="threshold", prechecked=True, scode=4053, message="x")
    data = api.get(f"/v1/system/upgrade/inspect?upgrade_uuid={run}").json()["data"]
    assert (data["paused_by"], data["progress"]["ended"]) == ("threshold", 1)
    assert "upgrade/retry" in data["next_step"]
    resumed = call(api, "resume", run).json()["data"]
    assert (resumed["state"], resumed["scode"], resumed["message"]) == ("running", 0, "")
    assert UpgradeRun.objects.get().forgiven == 1


def test_a_retry_puts_back_what_failed_and_takes_the_hosts_again(api: Client, run: str) -> None:
    put(run, "failed", "rolled_back", "skipped", error="ItemsFailed", scode=4045, message="x")
    tasks = set(UpgradeItem.objects.values_list("task", flat=True))
    data = call(api, "retry", run).json()["data"]
    assert (data["upgrade_uuid"], data["state"], data["end_time"], data["scode"]) == (run, "pending", None, 0)
    assert [(item["state"], item["scode"]) for item in data["results"]] == [("pending", 0)] * 2
    assert not tasks & set(UpgradeItem.objects.values_list("task", flat=True))
    assert str(HostHold.objects.get().run_id) == run
    assert call(api, "retry", run).status_code == 409  # it is under way now


@pytest.mark.parametrize(
    ("state", "items", "scode", "told"),
    [
        ("succeeded", ("committed", "committed"), 4048, "succeeded"),
        ("running", ("failed", "pending"), 4048, "running"),
        ("paused", ("committed", "pending"), 4049, "nothing to try again"),
        ("failed", ("committed", "inconsistent"), 4050, f"{IP} storage"),
    ],
)
def test_a_retry_needs_something_that_failed(
    api: Client, run: str, state: str, items: tuple[str, ...], scode: int, told: str
) -> None:
    put(run, state, *items, paused_by="operator" if state == "paused" else "")
    answer = call(api, "retry", run)
    assert (answer.status_code, answer.json()["scode"]) == (409, scode)
    assert told in answer.json()["message"]
    assert UpgradeRun.objects.get().state == state


def test_a_retry_leaves_the_unproven_to_a_person(api: Client, run: str) -> None:
    put(run, "failed", "inconsistent", "skipped")
    data = call(api, "retry", run).json()["data"]
    assert [item["state"] for item in data["results"]] == ["inconsistent", "pending"]
    assert UpgradeRun.objects.get().forgiven == 1


def test_a_retry_names_each_thing_that_changed(api: Client, run: str) -> None:
    put(run, "failed", "rolled_back", "failed")
    HostService.objects.filter(host__host_ip=IP, service_type="storage").update(version="1.4")
    UpgradePackage.objects.filter(version="1.5").update(withdrawn_time=timezone.now(), withdrawn_reason="it eats disks")
    answer = call(api, "retry", run)
    assert (answer.status_code, answer.json()["scode"]) == (409, 4051)
    for told in ("updatepackage_1.5.tar.gz was withdrawn: it eats disks", f"{IP} storage runs 1.4, not 1.3"):
        assert told in answer.json()["message"]
    UpgradeItem.objects.update(package=None)
    assert "was removed" in call(api, "retry", run).json()["message"]
    assert not HostHold.objects.exists()


def test_a_run_does_not_go_on_with_a_package_that_may_not_be_used(api: Client, run: str) -> None:
    call(api, "pause", run)
    keys = list(TrustedKey.objects.all())
    TrustedKey.objects.all().delete()
    answer = call(api, "resume", run)
    assert (answer.status_code, answer.json()["scode"]) == (409, 4051)
    assert "no longer trusted" in answer.json()["message"]
    TrustedKey.objects.bulk_create(keys)
    assert call(api, "resume", run).status_code == 200


def test_a_retry_names_the_run_that_has_the_host_now(api: Client, run: str) -> None:
    put(run, "failed", "rolled_back", "failed")
    items = [{"host_ip": IP, "service_type": "storage"}]
    other = post(api, "compute/version/upgrade", {"list": items}).json()["data"]["upgrade_uuid"]
    answer = call(api, "retry", run)
    assert (answer.status_code, answer.json()["scode"]) == (409, 4046)
    assert other in answer.json()["message"]


def test_a_retry_needs_a_leader(api: Client, run: str) -> None:
    put(run, "failed", "rolled_back", "failed")
    LeaderLease.objects.update(expires_at=None, holder=None)
    answer = call(api, "retry", run)
    assert (answer.status_code, answer.json()["scode"], answer["Retry-After"]) == (503, 11057, "5")
    assert not HostHold.objects.exists()


@pytest.mark.parametrize("path", CALLS)
def test_wrong_and_forbidden(api: Client, run: str, path: str) -> None:
    auditor, operator = client_of("auditor"), client_of("operator")
    assert post(auditor, path, {"upgrade_uuid": run}).status_code == 403
    assert post(operator, path, {"upgrade_uuid": run}).status_code == (409 if path == "upgrade/retry" else 200)
    assert post(api, path, {"upgrade_uuid": NOBODY}).json()["scode"] == 4047
    assert post(api, path, {"upgrade_uuid": run, "cluster_uuid": NOBODY}).status_code == 404
    for body, desc in (({}, "upgrade_uuid"), ({"upgrade_uuid": "x"}, "upgrade_uuid"), ({"more": 1}, "more")):
        answer = post(api, path, body)
        assert answer.status_code == 400 and desc in answer.json()["desc"]
    assert api.get(f"/v1/system/{path}").status_code == 405


def test_the_same_key_gets_the_first_answer(api: Client, run: str) -> None:
    key = {"Idempotency-Key": "once"}
    first = call(api, "pause", run, **key)
    call(api, "resume", run)
    again = call(api, "pause", run, **key)
    assert (again["Idempotent-Replay"], again.json()) == ("true", first.json())
    assert UpgradeRun.objects.get().state == "pending"


def test_runs_are_listed_by_state(api: Client, run: str) -> None:
    call(api, "pause", run)
    for state, count in (("paused", 1), ("running", 0)):
        assert api.get(f"/v1/system/upgrade/list?state={state}").json()["data"]["total_count"] == count
    assert api.get("/v1/system/upgrade/list?state=asleep").json()["desc"] == "state"


def test_of_many_retries_at_once_one_is_made(api: Client, run: str) -> None:
    put(run, "failed", "rolled_back", "skipped")
    answers = at_once([lambda: call(api, "retry", run)] * 6)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 5}
    assert (UpgradeRun.objects.get().state, HostHold.objects.count()) == ("pending", 1)


def test_a_retry_and_a_new_request_never_hold_a_host_both(api: Client, run: str) -> None:
    put(run, "failed", "rolled_back", "skipped")
    body = {"list": [{"host_ip": IP, "service_type": "storage"}]}
    work = [lambda: call(api, "retry", run), lambda: post(api, "compute/version/upgrade", body)] * 3
    answers = at_once(work)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 5}
    holder = HostHold.objects.get().run
    assert holder.state == "pending"


def test_resume_and_cancel_at_once_leave_one_clear_state(api: Client, run: str) -> None:
    put(run, "paused", "committed", "pending", paused_by="operator", prechecked=True)
    answers = at_once([lambda: call(api, "resume", run), lambda: call(api, "cancel", run)] * 3)
    found = UpgradeRun.objects.get()
    assert found.state in ("cancelled", "cancelling")
    assert HostHold.objects.exists() == (found.state == "cancelling")
    assert {answer.status_code for answer in answers} <= {200, 409}


def test_a_restore_is_tried_again_while_its_backup_is_there(api: Client, run: str) -> None:
    put(run, "failed", "rolled_back", "skipped", kind="restore")
    answer = call(api, "retry", run)
    assert (answer.status_code, answer.json()["scode"]) == (409, 4051)
    assert f"the backup of {IP} storage was removed" in answer.json()["message"]
    for item in UpgradeItem.objects.select_related("host"):
        assert item.host is not None
        backup = Backup.objects.create(
            host=item.host,
            service_type=item.service_type,
            package_name=f"backup_{item.service_type}",
            version="1.0",
            size=1,
            begin_time=timezone.now(),
            update_time=timezone.now(),
        )
        UpgradeItem.objects.filter(pk=item.pk).update(source=backup, package=None)
    assert call(api, "retry", run).json()["data"]["state"] == "pending"
