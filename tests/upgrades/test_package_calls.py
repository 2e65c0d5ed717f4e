"""What is done to a stored package at the API door: inspect, verify, withdraw, reinstate, remove."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from cluster.models import Cluster, HostService
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from sysmgr.events.models import Event
from tests.conftest import client_of
from tests.together import at_once
from tests.upgrades.engine.drive import go
from upgrades.intake import import_file, store, sweep
from upgrades.models import HostHold, UpgradeItem, UpgradePackage, UpgradeRun

pytestmark = pytest.mark.django_db(transaction=True)
STORE = "/v1/system/upgrade_package/"
UPGRADE = "/v1/system/compute/version/upgrade"
NAME = "updatepackage_1.5.tar.gz"
ITEM = {"host_ip": "10.30.12.55", "service_type": "storage"}
INSPECT = "/v1/system/upgrade_package/inspect"
WRITES = {
    "verify": "/v1/system/upgrade_package/verify",
    "withdraw": "/v1/system/upgrade_package/withdraw",
    "reinstate": "/v1/system/upgrade_package/reinstate",
    "remove": "/v1/system/upgrade_package/remove",
}


@pytest.fixture
def api(demo_api: Client) -> Client:
    """An administrator's client of the demo."""
    return demo_api


def post(client: Client, path: str, **body: Any) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json")


def call(client: Client, verb: str, **body: Any) -> Any:
    return post(client, WRITES[verb], **{"package_name": NAME, **body})


def inspect(client: Client) -> Any:
    return client.get(INSPECT, {"package_name": NAME}).json()["data"]


def file() -> Path:
    return store(Cluster.objects.get()) / NAME


def test_inspect_shows_all_that_is_known(api: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    # gate · package · payloads
    with django_assert_num_queries(3):
        data = inspect(api)
    listed = api.get(STORE + "list").json()["data"]["package_list"][0]
    assert {key: data[key] for key in listed} == listed
    assert (data["usable"], data["withdrawn"], data["unusable_reason"], data["withdrawn_time"]) == (
        True,
        False,
        "",
        None,
    )
    assert data["fingerprint"].startswith("SHA256:")
    assert [entry["service_type"] for entry in data["payloads"]] == ["cloud", "compute", "storage"]
    assert all(entry["files"] == 3 and entry["size"] > 65536 for entry in data["payloads"])
    assert abs(data["create_time"] - data["update_time"]) < 60


def test_a_right_package_verifies_and_the_audit_says_who_asked(api: Client) -> None:
    data = call(api, "verify").json()["data"]
    checks = {finding["check"]: finding["ok"] for finding in data["findings"]}
    assert checks == dict.fromkeys(("file", "size", "sha256", "md5", "signature", "content", "manifest"), True)
    assert data["package_name"] == NAME
    assert AuditRow.objects.filter(action="package.verify", user_name="a-administrator").count() == 1


def test_verify_finds_each_thing_that_is_wrong(api: Client) -> None:
    right = file().read_bytes()
    file().write_bytes(right[:-1] + b"x")
    wrong = {f["check"] for f in call(api, "verify").json()["data"]["findings"] if not f["ok"]}
    assert wrong == {"sha256", "md5", "content"}
    file().unlink()
    findings = call(api, "verify").json()["data"]["findings"]
    assert [(f["check"], f["ok"]) for f in findings] == [("file", False)]
    assert findings[0]["message_cn"].startswith("无法读取")
    file().write_bytes((store(Cluster.objects.get()) / "updatepackage_1.4.1.tar.gz").read_bytes())
    wrong = {f["check"] for f in call(api, "verify").json()["data"]["findings"] if not f["ok"]}
    assert {"sha256", "md5", "manifest"} <= wrong
    assert Event.objects.filter(kind="package.spoilt", severity="error").count() == 3
    assert AuditRow.objects.filter(action="package.verify", result="failed").count() == 3


def test_a_withdrawn_package_is_neither_chosen_nor_accepted_nor_offered(api: Client) -> None:
    assert call(api, "withdraw", reason="loses data").json()["data"] == {}
    refused = post(api, UPGRADE, list=[{**ITEM, "version": "1.5"}])
    assert (refused.status_code, refused.json()["desc"]) == (400, "list[0].version: 10.30.12.55 storage 1.5")
    assert f"{NAME} was withdrawn: loses data" in refused.json()["message"]
    assert NAME in refused.json()["message_cn"]
    shown = api.get(STORE + "list").json()["data"]
    assert [p["package_name"] for p in shown["package_list"]] == [NAME, "updatepackage_1.4.1.tar.gz"]
    assert all(host["upgrade_package_list"] == ["updatepackage_1.4.1.tar.gz"] for host in shown["list"])
    data = inspect(api)
    assert (data["usable"], data["withdrawn"]) == (False, True)
    assert (data["withdrawn_reason"], data["unusable_reason"]) == ("loses data", "was withdrawn: loses data")
    assert data["withdrawn_time"] > 0
    accepted = post(api, UPGRADE, list=[ITEM]).json()["data"]["results"][0]
    assert accepted["to_version"] == "1.4.1"


def test_the_only_package_that_fits_is_named_when_it_was_withdrawn(api: Client) -> None:
    HostService.objects.filter(service_type="storage").update(version="1.4.1")
    call(api, "withdraw")
    refused = post(api, UPGRADE, list=[ITEM])
    assert refused.status_code == 400
    assert f"{NAME} was withdrawn" in refused.json()["message"]


def test_withdraw_and_reinstate_repeated_are_told_once(api: Client) -> None:
    for verb in ("withdraw", "withdraw", "reinstate", "reinstate"):
        assert call(api, verb).status_code == 200
    assert inspect(api)["usable"] is True
    kinds = Event.objects.filter(kind__startswith="package.").exclude(kind="package.accepted")
    assert list(kinds.values_list("kind", flat=True)) == ["package.withdrawn", "package.reinstated"]
    assert AuditRow.objects.filter(action__in=["package.withdraw", "package.reinstate"]).count() == 2


def test_a_run_under_way_goes_on_after_its_package_was_withdrawn(api: Client, term: int) -> None:
    run = UpgradeRun.objects.get(pk=post(api, UPGRADE, list=[ITEM]).json()["data"]["upgrade_uuid"])
    call(api, "withdraw")
    go(run, term)
    run.refresh_from_db()
    assert run.state == "succeeded"


def test_remove_takes_row_and_file_and_the_run_that_used_it_stays_told(api: Client, term: int) -> None:
    run = UpgradeRun.objects.get(pk=post(api, UPGRADE, list=[ITEM]).json()["data"]["upgrade_uuid"])
    held = call(api, "remove")
    assert (held.status_code, held.json()["scode"]) == (409, 4034)
    assert str(run.pk) in held.json()["message"]
    go(run, term)
    run.refresh_from_db()
    assert run.state == "succeeded"
    assert call(api, "remove", reason="old").json()["data"] == {}
    assert not file().exists()
    assert call(api, "remove").status_code == 404
    item = UpgradeItem.objects.get(run=run)
    assert (item.package, item.package_name) == (None, NAME)
    assert Event.objects.filter(kind="package.removed").count() == 1


def test_a_file_that_a_crash_left_is_swept_and_a_new_one_of_that_name_is_not(
    api: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = tmp_path / NAME
    kept.write_bytes(file().read_bytes())
    with monkeypatch.context() as crash:
        crash.setattr("upgrades.store_services.sweep_file", lambda *args: None)
        assert call(api, "remove").status_code == 200
    assert file().exists()
    with monkeypatch.context() as between:
        # The same package comes in again before the old file's removal has begun.
        def late(cluster: Any, name: str) -> None:
            import_file(Cluster.objects.get(), kept, SYSTEM)
            real(cluster, name)

        from upgrades.intake import sweep_file as real

        import_file(Cluster.objects.get(), kept, SYSTEM)
        between.setattr("upgrades.store_services.sweep_file", late)
        assert call(api, "remove").status_code == 200
    sweep()
    assert file().read_bytes() == kept.read_bytes()
    UpgradePackage.objects.filter(package_name=NAME).delete()
    sweep()
    assert not file().exists()


def test_a_removal_and_requests_at_once_leave_no_run_without_its_package(api: Client) -> None:
    hosts = [("10.30.12.161", "cloud"), ("10.30.12.165", "compute"), ("10.30.12.55", "storage")]
    wanted = [{"host_ip": ip, "service_type": service, "version": "1.5"} for ip, service in hosts]
    work = [partial(post, api, UPGRADE, list=[item]) for item in wanted]
    removed, *asked = at_once([lambda: call(api, "remove"), *work])
    assert {answer.status_code for answer in asked} <= {200, 400}
    accepted = UpgradeItem.objects.count()
    assert removed.status_code == (409 if accepted else 200)
    assert UpgradeItem.objects.filter(package=None).count() == 0
    assert UpgradeItem.objects.count() == HostHold.objects.count()


@pytest.mark.parametrize("verb", WRITES)
def test_roles_and_wrong_input(api: Client, verb: str) -> None:
    assert call(client_of("auditor"), verb).status_code == 403
    assert call(Client(), verb).status_code == 401
    assert call(api, verb, package_name="no such").json()["scode"] == 4033
    wrong: list[dict[str, Any]] = [{"package_name": 5}, {"more": 1}, {"cluster_uuid": "x"}]
    for body in wrong:
        answer = call(api, verb, **body)
        assert (answer.status_code, answer.json()["desc"]) == (400, next(iter(body)))
    nobody = "00000000-0000-4000-8000-000000000000"
    assert call(api, verb, cluster_uuid=nobody).status_code == 404
    assert UpgradePackage.objects.count() == 2
    assert call(client_of("operator"), verb).status_code == 200


def test_reads_are_everybodys_and_name_what_is_missing(api: Client) -> None:
    for role in ("auditor", "operator"):
        assert client_of(role).get(INSPECT, {"package_name": NAME}).status_code == 200
    assert api.get(INSPECT).status_code == 400
    answer = api.get(INSPECT, {"package_name": "x"})
    assert (answer.status_code, answer.json()["desc"]) == (404, "package_name")


def test_a_failed_transaction_removes_no_file(api: Client) -> None:
    from upgrades.store_services import remove

    with pytest.raises(RuntimeError), transaction.atomic():
        remove(Cluster.objects.get(), NAME, "", SYSTEM)
        raise RuntimeError
    assert file().exists()
    assert UpgradePackage.objects.filter(package_name=NAME).exists()
