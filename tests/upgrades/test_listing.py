"""The package list is kept rendered, and never shows anything but what is there now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cluster.models import Cluster, Host, HostService
from tests.conftest import client_of
from tests.rows import host, package
from upgrades import listing
from upgrades.models import TrustedKey, UpgradePackage

pytestmark = pytest.mark.django_db(transaction=True)  # within one transaction nothing is kept


@pytest.fixture(autouse=True)
def rows(cluster: Cluster) -> UpgradePackage:
    """Three hosts, one of them without a service, and a package that fits the others."""
    for place in (1, 2):
        host(cluster, place)
    Host.objects.create(cluster=cluster, host_ip="192.0.2.3", root="/srv")
    TrustedKey.objects.create(name="k", public_key="p", fingerprint="f", cluster=cluster)
    return package(cluster, "2.0")


def shown(api: Client) -> Any:
    """Return what is answered, twice the same, the second time without reading anything."""
    first = api.get("/v1/system/upgrade_package/list")
    with CaptureQueriesContext(connection) as queries:
        second = api.get("/v1/system/upgrade_package/list")
    assert first.content == second.content and second["Content-Type"] == "application/json"
    # gate · version of the rows; on SQLite nothing is kept: gate · packages · payloads · hosts with services
    assert len(queries) == (2 if connection.vendor == "postgresql" else 4)
    return second.json()["data"]


def test_every_change_of_hosts_services_and_packages_shows_at_once(api: Client, cluster: Cluster) -> None:
    data = shown(api)
    assert [entry["type_version"] for entry in data["list"]] == [{"cloud": "1.0"}, {"cloud": "1.0"}, {}]
    assert [entry["upgrade_package_list"] for entry in data["list"]] == [["updatepackage_2.0.tar.gz"]] * 2 + [[]]
    before = data
    HostService.objects.filter(host__host_ip="192.0.2.1").update(version="2.0")
    assert shown(api)["list"][0] == {
        "host_ip": "192.0.2.1",
        "type_version": {"cloud": "2.0"},
        "upgrade_package_list": [],
    }
    HostService.objects.filter(host__host_ip="192.0.2.1").update(version="1.0")
    assert shown(api) == before
    HostService.objects.filter(host__host_ip="192.0.2.2").update(unmanaged=True)
    assert shown(api)["list"][1]["upgrade_package_list"] == []
    HostService.objects.create(host=Host.objects.get(host_ip="192.0.2.3"), service_type="storage", version="1.0")
    assert shown(api)["list"][2]["type_version"] == {"storage": "1.0"}
    Host.objects.filter(host_ip="192.0.2.3").update(host_ip="192.0.2.0")
    assert shown(api)["host_list"] == ["192.0.2.0", "192.0.2.1", "192.0.2.2"]
    Host.objects.filter(host_ip="192.0.2.0").delete()
    assert shown(api)["host_list"] == ["192.0.2.1", "192.0.2.2"]
    package(cluster, "3.0")
    assert [entry["version"] for entry in shown(api)["package_list"]] == ["3.0", "2.0"]
    UpgradePackage.objects.filter(version="3.0").update(release_notes="new")
    assert shown(api)["package_list"][0]["release_notes"] == "new"


def test_a_key_that_ends_by_time_takes_its_packages_out(api: Client) -> None:
    assert shown(api)["list"][0]["upgrade_package_list"] == ["updatepackage_2.0.tar.gz"]
    TrustedKey.objects.update(expire_time=timezone.now() - timedelta(seconds=1))
    assert shown(api)["list"][0]["upgrade_package_list"] == []


def test_each_cluster_shows_its_own(api: Client, cluster: Cluster) -> None:
    other = Cluster.objects.create(name="other")
    assert shown(api)["host_list"]
    data = api.get(f"/v1/system/upgrade_package/list?cluster_uuid={other.pk}").json()["data"]
    assert data == {"package_list": None, "host_list": [], "list": []}
    assert shown(api)["host_list"]


def test_a_change_while_it_is_rendered_is_not_kept(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    api = client_of("administrator")
    before = shown(api)
    real = listing._host_rows

    def late(cluster_uuid: Any) -> Any:
        HostService.objects.update(version="1.5")
        return real(cluster_uuid)

    listing._cache.clear()
    monkeypatch.setattr(listing, "_host_rows", late)
    assert api.get("/v1/system/upgrade_package/list").json()["data"] != before
    assert not listing._cache
    monkeypatch.setattr(listing, "_host_rows", real)
    HostService.objects.update(version="1.0")
    assert shown(api) == before


def test_an_auditor_reads_it_too() -> None:
    assert client_of("auditor").get("/v1/system/upgrade_package/list").status_code == 200
