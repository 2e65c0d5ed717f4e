"""Hosts in maintenance, which no new run takes, and hosts found by their labels."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from cluster.models import Cluster, Host
from tests import rows
from tests.cluster.calls import get, post, told
from tests.cluster.conftest import lay_out
from upgrades.models import UpgradeItem, UpgradeRun

from .test_hosts import local

pytestmark = pytest.mark.django_db(transaction=True)


def test_maintenance_has_a_reason_and_its_end_clears_it(api: Client, roots: Path) -> None:
    lay_out(roots / "a", cloud="1.0")
    post(api, "host/create", local(roots / "a"))
    ip = {"host_ip": "192.0.2.1"}
    for wrong in (
        {"maintenance": True},
        {"maintenance": True, "maintenance_reason": ""},
        {"maintenance": True, "maintenance_reason": " "},
        {"maintenance_reason": "disk"},
        {"maintenance": False, "maintenance_reason": "disk"},
    ):
        assert told(post(api, "host/update", {**ip, **wrong})) == (400, 10001, "maintenance_reason")
    assert told(post(api, "host/update", {**ip, "maintenance": 1})) == (400, 10001, "maintenance")
    held = post(api, "host/update", {**ip, "maintenance": True, "maintenance_reason": "new disk"}).json()["data"]
    assert (held["maintenance"], held["maintenance_reason"]) == (True, "new disk")
    assert get(api, "host/list").json()["data"]["list"] == [held]
    changed = post(api, "host/update", {**ip, "maintenance_reason": "new fan"}).json()["data"]
    assert changed["maintenance_reason"] == "new fan"
    item = {"list": [{"host_ip": "192.0.2.1", "service_type": "cloud"}]}
    refused = post(api, "compute/version/upgrade", item)
    assert told(refused) == (400, 10001, "list[0].host_ip: 192.0.2.1 cloud")
    assert "is in maintenance: new fan" in refused.json()["message"]
    over = post(api, "host/update", {**ip, "maintenance": False}).json()["data"]
    assert (over["maintenance"], over["maintenance_reason"]) == (False, "")
    assert "maintenance" not in post(api, "compute/version/upgrade", item).json()["message"]


def test_a_failed_run_is_not_tried_again_on_a_host_in_maintenance(api: Client, cluster: Cluster) -> None:
    run = UpgradeRun.objects.create(cluster=cluster, state="failed", end_time=timezone.now())
    host = rows.host(cluster, 1)
    rows.item(run, host, rows.package(cluster, "2.0"), 0)
    UpgradeItem.objects.update(state="failed", host_ip=host.host_ip)
    Host.objects.update(maintenance=True, maintenance_reason="new disk")
    refused = post(api, "upgrade/retry", {"upgrade_uuid": str(run.pk)})
    assert refused.status_code == 409 and "192.0.2.1 is in maintenance: new disk" in refused.json()["message"]


def test_hosts_are_found_by_label(api: Client, roots: Path) -> None:
    for place, labels in enumerate((["rack 1"], ["rack 11", "old"], []), 1):
        lay_out(roots / str(place), cloud="1.0")
        post(api, "host/create", local(roots / str(place), f"192.0.2.{place}", labels=labels))
    for label, hosts in {"rack 1": ["192.0.2.1"], "old": ["192.0.2.2"], "x": []}.items():
        page = get(api, f"host/list?label={label.replace(' ', '%20')}").json()["data"]
        assert ([host["host_ip"] for host in page["list"]], page["total_count"]) == (hosts, len(hosts))
    assert get(api, "host/list?label=%00").status_code == 400
