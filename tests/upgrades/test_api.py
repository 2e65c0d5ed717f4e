"""Upgrades and uploads at the API door: right, wrong, forbidden, repeated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from cluster.models import Cluster, LeaderLease
from tests.conftest import client_of
from upgrades.intake import store
from upgrades.models import HostHold, UpgradePackage, UpgradeRun

pytestmark = pytest.mark.django_db(transaction=True)
UPGRADE = "/v1/system/compute/version/upgrade"
UPLOAD = "/v1/system/upgrade_package/upload"
ITEM = {"host_ip": "10.30.12.55", "service_type": "storage"}


@pytest.fixture
def api(demo_api: Client) -> Client:
    """An administrator's client of the demo."""
    return demo_api


def post(client: Client, body: Any, **headers: str) -> Any:
    return client.post(UPGRADE, json.dumps(body), content_type="application/json", headers=headers)


def test_an_accepted_request_answers_its_items_and_can_be_inspected(
    api: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    answer = post(api, {"list": [ITEM], "options": {"reason": "because", "max_parallel": 2}}).json()["data"]
    assert list(answer) == ["upgrade_uuid", "success", "fail", "results"]
    assert (answer["success"], answer["fail"]) == (1, 0)
    assert list(answer["results"][0]) == [
        "host_ip",
        "service_type",
        "from_version",
        "to_version",
        "package_name",
        "state",
        "scode",
        "message",
        "message_cn",
    ]
    # gate · run · items · earlier changes · pushes · rollback
    with django_assert_num_queries(6):
        seen = api.get(f"/v1/system/upgrade/inspect?upgrade_uuid={answer['upgrade_uuid']}").json()["data"]
    assert (seen["state"], seen["counts"], seen["reason"]) == ("pending", {"pending": 1}, "because")
    # gate · count · page
    with django_assert_num_queries(3):
        listed = api.get("/v1/system/upgrade/list").json()["data"]
    assert (listed["total_count"], listed["list"][0]["upgrade_uuid"]) == (1, answer["upgrade_uuid"])


@pytest.mark.alike
@pytest.mark.parametrize(
    ("body", "desc"),
    [
        ({"list": []}, "list"),
        ({}, "list"),
        ({"list": [{**ITEM, "service_type": "network"}]}, "list[0].service_type"),
        ({"list": [{"host_ip": 5, "service_type": "storage"}]}, "list[0].host_ip"),
        ({"list": [{**ITEM, "more": 1}]}, "list[0].more"),
        ({"list": [ITEM], "options": {"canary": -1}}, "options.canary"),
        ({"list": [ITEM], "options": {"nonsense": 1}}, "options.nonsense"),
        ({"list": [ITEM], "options": {"fail_count": 0}}, "options.fail_count"),
        ({"list": [ITEM, ITEM]}, "list[1].service_type: 10.30.12.55 storage"),
        ({"list": [{**ITEM, "host_ip": "10.0.0.1"}]}, "list[0].host_ip: 10.0.0.1 storage"),
        ({"list": [{**ITEM, "service_type": "cloud"}]}, "list[0].service_type: 10.30.12.55 cloud"),
        ({"list": [{**ITEM, "version": "1.3"}]}, "list[0].version: 10.30.12.55 storage 1.3"),
        ({"list": [{**ITEM, "version": "9" * 99}]}, "list[0].version: 10.30.12.55 storage " + "9" * 64),
    ],
)
def test_a_bad_request_is_refused_whole(api: Client, body: dict[str, Any], desc: str) -> None:
    answer = post(api, body)
    assert (answer.status_code, answer.json()["scode"], answer.json()["desc"]) == (400, 10001, desc)
    assert not UpgradeRun.objects.exists()
    assert not HostHold.objects.exists()


def test_a_held_host_an_unknown_cluster_and_an_unknown_run(api: Client) -> None:
    first = post(api, {"list": [ITEM]}).json()["data"]["upgrade_uuid"]
    held = post(api, {"list": [{**ITEM, "service_type": "compute"}]})
    assert (held.status_code, held.json()["desc"]) == (409, "list[0].host_ip: 10.30.12.55 compute")
    assert first in held.json()["message"]
    nobody = "00000000-0000-4000-8000-000000000000"
    assert post(api, {"list": [ITEM], "cluster_uuid": nobody}).status_code == 404
    assert api.get(f"/v1/system/upgrade/inspect?upgrade_uuid={nobody}").status_code == 404
    assert api.get("/v1/system/upgrade/inspect?upgrade_uuid=x").status_code == 400
    assert api.get("/v1/system/upgrade/list?page_size=0").status_code == 400


def test_without_a_leader_the_answer_says_when_to_come_back(api: Client) -> None:
    LeaderLease.objects.update(expires_at=None, holder=None)
    answer = post(api, {"list": [ITEM]})
    assert (answer.status_code, answer.json()["scode"], answer["Retry-After"]) == (503, 11057, "5")
    assert not UpgradeRun.objects.exists()


def test_the_same_key_makes_one_run(api: Client) -> None:
    key = {"Idempotency-Key": "once"}
    first, again = (post(api, {"list": [ITEM]}, **key).json() for _ in range(2))
    assert first == again
    assert UpgradeRun.objects.count() == 1


@pytest.mark.parametrize(("role", "status"), [("operator", 200), ("auditor", 403)])
def test_roles(api: Client, role: str, status: int) -> None:
    assert post(client_of(role), {"list": [ITEM]}).status_code == status


def upload(client: Client, **form: Any) -> Any:
    return client.post(UPLOAD, form)


def test_an_upload_is_taken_in_once_and_says_what_it_is(api: Client) -> None:
    cluster = Cluster.objects.get()
    path = store(cluster) / "updatepackage_1.5.tar.gz"
    content = path.read_bytes()
    path.unlink()
    UpgradePackage.objects.filter(version="1.5").delete()
    for _ in range(2):
        answer = upload(api, file=SimpleUploadedFile(path.name, content), cluster_uuid=str(cluster.pk))
        assert answer.status_code == 200, answer.content
        assert answer.json()["data"]["size"] == len(content)
    assert path.read_bytes() == content
    assert UpgradePackage.objects.filter(version="1.5").count() == 1


def test_bad_uploads_leave_nothing_behind(api: Client, tmp_path: Path) -> None:
    good = (store(Cluster.objects.get()) / "updatepackage_1.5.tar.gz").read_bytes()
    attempts = [
        upload(api, file=SimpleUploadedFile("updatepackage_1.6.tar.gz", good)),
        upload(api, file=SimpleUploadedFile("updatepackage_1.5.tar.gz", good[:-9])),
        upload(api, file=SimpleUploadedFile("updatepackage_1.5.tar.gz", b"nothing")),
        upload(api, other=SimpleUploadedFile("updatepackage_1.5.tar.gz", good)),
        upload(api, file=SimpleUploadedFile("updatepackage_1.5.tar.gz", good), extra="1"),
        upload(api, extra="1"),
        upload(api),
        upload(api, file=SimpleUploadedFile("updatepackage_1.5.tar.gz", good), cluster_uuid="x"),
        upload(api, **{f"field{n}": "1" for n in range(2000)}),
        api.post(UPLOAD, b"--x\r\nnonsense", content_type="multipart/form-data; boundary=x"),
    ]
    assert [answer.status_code for answer in attempts] == [400] * len(attempts)
    nobody = "00000000-0000-4000-8000-000000000000"
    assert upload(api, file=SimpleUploadedFile("x", good), cluster_uuid=nobody).status_code == 404
    assert api.post(f"{UPLOAD}?cluster_uuid={nobody}", {"file": SimpleUploadedFile("x", good)}).status_code == 404
    assert api.post(UPLOAD, "{}", content_type="application/json").status_code == 415
    assert upload(client_of("auditor"), file=SimpleUploadedFile("x", b"y")).status_code == 403
    assert list((tmp_path / "quarantine").iterdir()) == []
    assert UpgradePackage.objects.count() == 2


def test_an_unhandled_exception_is_an_envelope_without_its_text(
    api: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: Any) -> None:
        raise RuntimeError("inner secret detail")

    monkeypatch.setattr("upgrades.listing.rendered", broken)
    api.raise_request_exception = False
    answer = api.get("/v1/system/upgrade_package/list")
    assert (answer.status_code, answer.json()["scode"]) == (500, 10000)
    assert "inner secret" not in answer.content.decode()
    assert answer["X-Request-Id"] in answer.json()["message"]
