"""Plans at the API door: what they show, that nothing is run, and that a request can hold on to one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cluster.models import Cluster, Host, HostService, LeaderLease
from sysmgr.api.models import IdempotencyKey
from sysmgr.audit.models import AuditRow
from tests.conftest import client_of
from upgrades import limits
from upgrades.models import HostHold, PackagePayload, TrustedKey, UpgradeItem, UpgradePackage, UpgradeRun

pytestmark = pytest.mark.django_db(transaction=True)
IP, OTHER = "10.30.12.55", "10.30.12.165"
LIST = [
    {"host_ip": IP, "service_type": "storage"},
    {"host_ip": OTHER, "service_type": "storage"},
    {"host_ip": IP, "service_type": "compute"},
]


@pytest.fixture
def api(demo_api: Client) -> Client:
    """An administrator's client of the demo."""
    return demo_api


def post(client: Client, path: str, body: Any, **headers: str) -> Any:
    return client.post(f"/v1/system/{path}", json.dumps(body), content_type="application/json", headers=headers)


def planned(client: Client, **options: Any) -> dict[str, Any]:
    answer = post(client, "upgrade/plan", {"list": LIST, "options": options})
    assert answer.status_code == 200, answer.content
    data: dict[str, Any] = answer.json()["data"]
    return data


def told(data: dict[str, Any]) -> list[list[tuple[str, str]]]:
    return [[(item["host_ip"], item["service_type"]) for item in batch] for batch in data["batches"]]


def test_a_plan_shows_what_a_request_would_do_and_makes_nothing(api: Client) -> None:
    rows = AuditRow.objects.count()
    data = planned(api)
    keys = ["fingerprint", "order", "batches", "prechecks", "bytes", "seconds", "facts_time"]
    assert list(data) == keys
    assert data["order"][0] == {
        "host_ip": IP,
        "service_type": "compute",
        "from_version": "1.4.rc2",
        "to_version": "1.5",
        "package_name": "updatepackage_1.5.tar.gz",
    }
    order = [(item["host_ip"], item["service_type"]) for item in data["order"]]
    assert order == [(IP, "compute"), (IP, "storage"), (OTHER, "storage")]
    # The canary comes alone. Without one, the other host is away while the first one's compute is.
    assert told(data) == [[(IP, "compute")], [(IP, "storage")], [(OTHER, "storage")]]
    assert told(planned(api, canary=0)) == [[(IP, "compute"), (OTHER, "storage")], [(IP, "storage")]]
    names = [check["name"] for check in data["prechecks"]]
    hosts = ["reachable", "protocol", "tools", "writable", "managed", "version", "disk_space", "health"]
    assert names == ["leader", "package", *hosts]
    assert all(list(check) == ["name", "blocking", "waivable", "message", "message_cn"] for check in data["prechecks"])
    assert [check["name"] for check in data["prechecks"] if check["waivable"]] == ["tools", "disk_space", "health"]
    assert [check["name"] for check in data["prechecks"] if not check["blocking"]] == ["health"]
    sizes = dict(PackagePayload.objects.filter(package__version="1.5").values_list("service_type", "size"))
    assert data["bytes"] == sizes["compute"] + 2 * sizes["storage"]
    assert (data["seconds"], data["facts_time"] > 0) == (None, True)
    assert not UpgradeRun.objects.exists() and not HostHold.objects.exists()
    assert AuditRow.objects.count() == rows


def test_seconds_are_learned_from_changes_of_the_same_service(api: Client) -> None:
    answer = post(api, "compute/version/upgrade", {"list": LIST, "options": {"soak_seconds": 5}}).json()["data"]
    now = datetime.now(UTC)
    took = {"compute": 45, "storage": 15}  # the soak within
    for item in UpgradeItem.objects.filter(run=answer["upgrade_uuid"]):
        begin = now - timedelta(seconds=took[item.service_type])
        UpgradeItem.objects.filter(pk=item.pk).update(state="committed", begin_time=begin, end_time=now)
    UpgradeRun.objects.update(state="succeeded", end_time=now)
    HostHold.objects.all().delete()
    assert planned(api)["seconds"] == 40 + 10 + 10
    assert planned(api, canary=0)["seconds"] == 40 + 10
    assert planned(api, soak_seconds=100)["seconds"] == 360


def test_a_request_can_hold_on_to_its_plan(api: Client) -> None:
    options = {"max_parallel": 2}
    fingerprint = planned(api, **options)["fingerprint"]
    assert planned(api, **options)["fingerprint"] == fingerprint
    assert planned(api, **options, reason="said")["fingerprint"] == fingerprint
    assert planned(api)["fingerprint"] != fingerprint
    wrong = {"list": LIST, "options": {"plan_fingerprint": fingerprint}}
    answer = post(api, "compute/version/upgrade", wrong)
    assert (answer.status_code, answer.json()["scode"]) == (409, 4052)
    assert answer.json()["desc"] == "options.plan_fingerprint"
    body = {"list": LIST, "options": {**options, "plan_fingerprint": fingerprint}}
    HostService.objects.filter(host__host_ip=IP, service_type="storage").update(version="1.3.1")
    assert post(api, "compute/version/upgrade", body).status_code == 409
    assert not UpgradeRun.objects.exists()
    HostService.objects.filter(host__host_ip=IP, service_type="storage").update(version="1.3")
    assert post(api, "compute/version/upgrade", body).status_code == 200


def test_a_plan_is_refused_as_the_request_is(api: Client) -> None:
    for body, status, desc in (
        ({"list": []}, 400, "list"),
        ({"list": [{**LIST[0], "service_type": "cloud"}]}, 400, f"list[0].service_type: {IP} cloud"),
        ({"list": [LIST[0], LIST[0]]}, 400, f"list[1].service_type: {IP} storage"),
        ({"list": LIST, "options": {"on_threshold": "nothing"}}, 400, "options.on_threshold"),
        ({"list": LIST, "cluster_uuid": "00000000-0000-4000-8000-000000000000"}, 404, "cluster_uuid"),
    ):
        for path in ("upgrade/plan", "compute/version/upgrade"):
            answer = post(api, path, body)
            assert (answer.status_code, answer.json()["desc"]) == (status, desc)
    post(api, "compute/version/upgrade", {"list": LIST[:1], "options": {"on_threshold": "pause"}})
    assert post(api, "upgrade/plan", {"list": LIST}).json()["scode"] == 4046
    assert post(client_of("operator"), "upgrade/plan", {"list": LIST[1:2]}).status_code == 200
    assert post(client_of("auditor"), "upgrade/plan", {"list": LIST[1:2]}).status_code == 403


def test_a_plan_needs_no_leader_and_says_that_there_is_none(api: Client) -> None:
    LeaderLease.objects.update(expires_at=None, holder=None)
    assert "no manager leads" in planned(api)["prechecks"][0]["message"]


def test_the_same_key_gets_the_first_plan(api: Client) -> None:
    answers = [post(api, "upgrade/plan", {"list": LIST}, **{"Idempotency-Key": "once"}).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert IdempotencyKey.objects.count() == 1


def test_batches_keep_to_the_limits() -> None:
    items = [(f"h{n}", service) for n in range(4) for service in ("compute", "storage")]
    free = {"max_unavailable": {"compute": 2, "storage": 1}, "max_parallel": 3, "canary": 0}
    found = limits.batches(items, free)
    assert sorted(pair for batch in found for pair in batch) == sorted(items)
    for batch in found:
        services = [service for _, service in batch]
        assert len(batch) <= 3 and services.count("compute") <= 2 and services.count("storage") <= 1
    assert found[0] == [("h0", "compute"), ("h1", "compute")]
    # A host keeps its place until its last service is done, as in the engine.
    assert limits.batches(items, {**free, "max_parallel": 1}) == [[item] for item in items]


@pytest.fixture(params=[1, 1000])
def many(request: pytest.FixtureRequest, cluster: Cluster) -> list[dict[str, str]]:
    """A list of so many hosts of a cluster that has a package for them."""
    hosts = Host.objects.bulk_create(
        Host(cluster=cluster, host_ip=f"10.0.{n // 250}.{n % 250}", root="/srv") for n in range(request.param)
    )
    HostService.objects.bulk_create(HostService(host=h, service_type="storage", version="1.3") for h in hosts)
    TrustedKey.objects.create(cluster=cluster, name="k", fingerprint="f")
    package = UpgradePackage.objects.create(
        cluster=cluster,
        package_name="updatepackage_2.0.tar.gz",
        version="2.0",
        size=1,
        fingerprint="f",
        update_time=datetime.now(UTC),
    )
    PackagePayload.objects.create(package=package, service_type="storage", files=1, size=1)
    return [{"host_ip": host.host_ip, "service_type": "storage"} for host in hosts]


def test_a_plan_costs_the_same_at_any_size(many: list[dict[str, str]], term: int) -> None:
    client = client_of("administrator")
    with CaptureQueriesContext(connection) as queries:
        answer = post(
            client, "upgrade/plan", {"list": many, "options": {"max_unavailable": {"storage": 100}, "canary": 0}}
        )
    assert answer.status_code == 200, answer.content
    assert len(answer.json()["data"]["batches"]) == -(-len(many) // 10)
    # gate · cluster · hosts · holds · services · packages · payloads · members · leader (two more on PostgreSQL for the
    # database's time) · unproven · in maintenance · earlier changes · last change
    assert len(queries) <= 15, [query["sql"][:90] for query in queries]
