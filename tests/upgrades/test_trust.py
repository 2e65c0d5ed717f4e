"""Trusted keys at the API door, and what becomes of the packages of a key that is trusted no longer."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from cluster.models import Cluster
from sysmgr.audit.models import AuditRow
from sysmgr.events.models import Event
from tests.conftest import client_of
from tests.together import at_once
from upgrades.models import TrustedKey
from upgrades.package.sign import public_key_text

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/v1/system/upgrade_package/trust/list"
ADD = "/v1/system/upgrade_package/trust/add"
REMOVE = "/v1/system/upgrade_package/trust/remove"
STORE = "/v1/system/upgrade_package/"
UPGRADE = "/v1/system/compute/version/upgrade"
ITEM = {"host_ip": "10.30.12.55", "service_type": "storage"}
KEYS = ["name", "fingerprint", "public_key", "cluster_uuid", "expire_time", "expired", "create_time"]


@pytest.fixture
def api(demo_api: Client) -> Client:
    """An administrator's client of the demo."""
    return demo_api


@pytest.fixture
def public() -> str:
    """The public half of somebody's key."""
    return public_key_text(Ed25519PrivateKey.generate())


def post(client: Client, path: str, **body: Any) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json")


def listed(client: Client, **query: Any) -> Any:
    return client.get(LIST, query).json()["data"]


def test_a_key_is_added_shown_and_removed(
    api: Client, public: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ends = int(time.time()) + 3600
    added = post(api, ADD, name="vendor", public_key=public, expire_time=ends).json()["data"]
    cluster = str(Cluster.objects.get().pk)
    assert list(added) == KEYS
    assert (added["name"], added["cluster_uuid"], added["expire_time"]) == ("vendor", cluster, ends)
    assert added["expired"] is False
    # gate · count · page
    with django_assert_num_queries(3):
        found = listed(api)
    assert [key["name"] for key in found["list"]] == ["demo", "vendor"]
    assert listed(api, filter_name="VEN") == {"total_count": 1, "list": [added]}
    assert [key["name"] for key in listed(api, page_num=1, page_size=1)["list"]] == ["vendor"]
    mark = added["fingerprint"]
    assert post(api, REMOVE, fingerprint=mark).json()["data"] == {}
    again = post(api, REMOVE, fingerprint=mark)
    assert (again.status_code, again.json()["scode"], again.json()["desc"]) == (404, 4035, "fingerprint")
    actions = AuditRow.objects.filter(action__startswith="trust.").order_by("seq").values_list("action", "object")
    assert list(actions) == [("trust.add", f"key {mark}"), ("trust.remove", f"key {mark}")]
    assert list(Event.objects.filter(kind__startswith="trust.").values_list("kind", flat=True)) == [
        "trust.added",
        "trust.removed",
    ]


def test_the_same_key_again_changes_nothing_and_another_name_is_a_conflict(api: Client, public: str) -> None:
    first, again = (post(api, ADD, name="vendor", public_key=public).json() for _ in range(2))
    assert first == again
    other = post(api, ADD, name="other", public_key=public)
    assert (other.status_code, other.json()["scode"]) == (409, 4036)
    assert AuditRow.objects.filter(action="trust.add").count() == 1
    TrustedKey.objects.filter(name="vendor").update(expire_time=timezone.now() - timedelta(seconds=1))
    assert post(api, ADD, name="other", public_key=public).status_code == 200
    assert list(TrustedKey.objects.order_by("name").values_list("name", flat=True)) == ["demo", "other"]


def test_a_key_of_all_clusters_is_a_key_of_each(api: Client, public: str) -> None:
    other = Cluster.objects.create(name="other")
    added = post(api, ADD, name="everywhere", public_key=public, all_clusters=True).json()["data"]
    assert added["cluster_uuid"] is None
    assert [key["name"] for key in listed(api, cluster_uuid=str(other.pk))["list"]] == ["everywhere"]
    mark = added["fingerprint"]
    assert post(api, REMOVE, fingerprint=mark).status_code == 404  # not trusted by this cluster alone
    assert post(api, REMOVE, fingerprint=mark, all_clusters=True).status_code == 200


def test_the_same_key_added_at_once_is_there_once(api: Client, public: str) -> None:
    answers = at_once([lambda: post(api, ADD, name="vendor", public_key=public)] * 4)
    assert [answer.status_code for answer in answers] == [200] * 4
    assert TrustedKey.objects.filter(name="vendor").count() == 1


@pytest.mark.alike
@pytest.mark.parametrize(
    ("body", "desc"),
    [
        ({"public_key": "{key}"}, "name"),
        ({"name": "x"}, "public_key"),
        ({"name": "x", "public_key": "nonsense"}, "public_key"),
        ({"name": "x" * 65, "public_key": "{key}"}, "name"),
        ({"name": "x", "public_key": "{key}", "expire_time": 5}, "expire_time"),
        ({"name": "x", "public_key": "{key}", "expire_time": -1}, "expire_time"),
        ({"name": "x", "public_key": "{key}", "expire_time": 10**15}, "expire_time"),
        ({"name": "x", "public_key": "{key}", "expire_time": "5"}, "expire_time"),
        ({"name": "x", "public_key": "{key}", "all_clusters": "yes"}, "all_clusters"),
        ({"name": "x", "public_key": "{key}", "all_clusters": True, "cluster_uuid": "{cluster}"}, "all_clusters"),
        ({"name": "x", "public_key": "{key}", "more": 1}, "more"),
    ],
)
def test_wrong_input_is_refused(api: Client, public: str, body: dict[str, Any], desc: str) -> None:
    words = {"{key}": public, "{cluster}": str(Cluster.objects.get().pk)}
    answer = post(api, ADD, **{k: words.get(v, v) if isinstance(v, str) else v for k, v in body.items()})
    assert (answer.status_code, answer.json()["desc"]) == (400, desc)
    assert TrustedKey.objects.count() == 1


def test_administrators_write_and_all_read(api: Client, public: str) -> None:
    mark = TrustedKey.objects.get().fingerprint
    for role in ("operator", "auditor"):
        client = client_of(role)
        assert post(client, ADD, name="x", public_key=public).status_code == 403
        assert post(client, REMOVE, fingerprint=mark).status_code == 403
        assert client.get(LIST).status_code == 200
    assert Client().get(LIST).status_code == 401
    assert TrustedKey.objects.count() == 1


@pytest.mark.parametrize("how", ["removed", "expired"])
def test_packages_of_a_key_that_is_trusted_no_longer_are_for_no_new_run(api: Client, how: str) -> None:
    key = TrustedKey.objects.get()
    if how == "removed":
        assert post(api, REMOVE, fingerprint=key.fingerprint).status_code == 200
    else:
        TrustedKey.objects.update(expire_time=datetime(2026, 1, 1, tzinfo=UTC))
        assert listed(api)["list"][0]["expired"] is True
    refused = post(api, UPGRADE, list=[ITEM])
    assert refused.status_code == 400
    assert "updatepackage_1.5.tar.gz is signed by a key that is no longer trusted (demo)" in refused.json()["message"]
    shown = api.get(STORE + "list").json()["data"]
    assert len(shown["package_list"]) == 2
    assert [host["upgrade_package_list"] for host in shown["list"]] == [[], [], []]
    data = api.get(STORE + "inspect", {"package_name": "updatepackage_1.5.tar.gz"}).json()["data"]
    assert (data["usable"], data["withdrawn"]) == (False, False)
    assert "no longer trusted" in data["unusable_reason"]
    assert post(api, ADD, name="demo", public_key=key.public_key).status_code == 200
    assert post(api, UPGRADE, list=[ITEM]).status_code == 200
