"""Rollbacks at the API door, driven on real directories: what a run did is taken back, once, or refused by name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from cluster.models import Cluster, Host, HostService, LeaderLease
from upgrades.models import Backup, HostHold, TrustedKey, UpgradeItem, UpgradePackage, UpgradeRun

from .agent.host import tree
from .engine.drive import IP, ask, ask_all, broken_package, drive, root, states
from .test_backups import current, data, post, run_of, version

pytestmark = pytest.mark.django_db(transaction=True)
OTHER = "10.30.12.165"


@pytest.fixture(autouse=True)
def long_lease(term: int) -> None:
    """The lead for longer than a slow machine may take: on PostgreSQL a lease ends by the clock."""
    LeaderLease.objects.update(expires_at=timezone.now() + timedelta(days=1))


@pytest.fixture
def upgraded(demo_cluster: Cluster, term: int) -> UpgradeRun:
    """A run that upgraded storage and compute of one host."""
    run = drive(ask(demo_cluster, "storage", "compute"), term)
    assert run.state == "succeeded"
    return run


def test_a_rollback_takes_a_run_back_newest_first(demo_api: Client, demo_cluster: Cluster, term: int) -> None:
    old = {service: tree(current(service).resolve()) for service in ("compute", "storage")}
    origin = drive(ask(demo_cluster, "storage", "compute"), term)
    # Neither the package nor who signed it matters on the way back.
    TrustedKey.objects.all().delete()
    UpgradePackage.objects.update(withdrawn_time="2026-01-01T00:00Z")
    answer = data(post(demo_api, "upgrade/rollback", {"upgrade_uuid": str(origin.pk)}))
    assert (answer["kind"], answer["origin_uuid"], answer["state"]) == ("rollback", str(origin.pk), "pending")
    assert [item["service_type"] for item in answer["results"]] == ["storage", "compute"]
    run = drive(run_of(answer), term)
    assert run.state == "succeeded", [i.message for i in run.items.all()]
    assert {service: tree(current(service).resolve()) for service in old} == old
    assert (version("storage"), version("compute")) == ("1.3", "1.4.rc2")
    seen = data(demo_api.get(f"/v1/system/upgrade/inspect?upgrade_uuid={origin.pk}"))
    assert seen["rollback_uuid"] == str(run.pk)
    # A rollback is a run like any other: it can be taken back.
    again = data(post(demo_api, "upgrade/rollback", {"upgrade_uuid": str(run.pk)}))
    assert drive(run_of(again), term).state == "succeeded"
    assert (version("storage"), version("compute")) == ("1.5", "1.5")


def test_a_part_of_a_run_is_taken_back_once(demo_api: Client, upgraded: UpgradeRun, term: int) -> None:
    body = {"upgrade_uuid": str(upgraded.pk), "list": [{"host_ip": IP, "service_type": "storage"}]}
    assert drive(run_of(data(post(demo_api, "upgrade/rollback", body))), term).state == "succeeded"
    assert (version("storage"), version("compute")) == ("1.3", "1.5")
    refused = post(demo_api, "upgrade/rollback", {"upgrade_uuid": str(upgraded.pk)})
    assert (refused.status_code, refused.json()["scode"]) == (409, 4073)
    assert f"{IP} storage was changed since and runs 1.3" in refused.json()["message"]
    assert f"{IP} compute" not in refused.json()["message"]
    assert not HostHold.objects.exists()


def test_a_paused_run_ends_with_its_rollback(demo_api: Client, upgraded: UpgradeRun, term: int) -> None:
    UpgradeRun.objects.filter(pk=upgraded.pk).update(state="running", end_time=None)
    live = post(demo_api, "upgrade/rollback", {"upgrade_uuid": str(upgraded.pk)})
    assert (live.status_code, live.json()["scode"]) == (409, 4074)
    UpgradeRun.objects.filter(pk=upgraded.pk).update(state="paused", paused_by="operator")
    HostHold.objects.create(host=Host.objects.get(host_ip=IP), run=upgraded)
    answer = data(post(demo_api, "upgrade/rollback", {"upgrade_uuid": str(upgraded.pk)}))
    upgraded.refresh_from_db()
    assert upgraded.state == "cancelled"
    assert list(HostHold.objects.values_list("run", flat=True)) == [run_of(answer).pk]


def test_a_run_that_is_paused_by_its_failures_is_taken_back_at_once(
    demo_api: Client, demo_cluster: Cluster, term: int, tmp_path: Path
) -> None:
    """Its leader removes meanwhile what was pushed to the hosts that were not begun."""
    old = tree(current("compute").resolve())
    fails = '[services.storage.commands.status]\nargv = ["false"]\nseconds = 1\n'
    broken_package(demo_cluster, tmp_path, "2.0", fails)
    places = [(IP, "compute"), (IP, "storage"), (OTHER, "compute"), (OTHER, "storage")]
    run = drive(ask_all(demo_cluster, *places, version="2.0"), term)
    assert (run.state, states(run)) == ("paused", ["committed", "rolled_back", "pushing", "pushing"])
    answer = data(post(demo_api, "upgrade/rollback", {"upgrade_uuid": str(run.pk)}))
    back = run_of(answer)
    assert [(item["host_ip"], item["service_type"]) for item in answer["results"]] == places[:1]
    run.refresh_from_db()
    assert run.state == "cancelling"
    holds = dict(HostHold.objects.values_list("host__host_ip", "run"))
    assert holds == {IP: back.pk, OTHER: run.pk}
    assert drive(back, term).state == "succeeded"
    assert tree(current("compute").resolve()) == old
    run = drive(run, term)
    assert (run.state, states(run)[2:]) == ("cancelled", ["skipped", "skipped"])
    assert not list((root(OTHER) / "packages").iterdir())
    assert not HostHold.objects.exists()


def test_a_host_that_waits_for_its_reboot_comes_to_its_end_first(
    demo_api: Client, upgraded: UpgradeRun, term: int
) -> None:
    upgraded.items.filter(service_type="compute").update(state="verifying")
    UpgradeRun.objects.filter(pk=upgraded.pk).update(state="paused", paused_by="reboot", end_time=None)
    refused = post(demo_api, "upgrade/rollback", {"upgrade_uuid": str(upgraded.pk)})
    assert (refused.status_code, refused.json()["scode"]) == (409, 4058)
    upgraded.refresh_from_db()
    assert (upgraded.state, UpgradeRun.objects.count()) == ("paused", 1)


def test_what_a_rollback_refuses(demo_api: Client, upgraded: UpgradeRun, term: int) -> None:
    uuid = str(upgraded.pk)
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"upgrade_uuid": "5a3a1f2e-0000-4000-8000-000000000000"}, 404, "upgrade_uuid"),
        ({"upgrade_uuid": 5}, 400, "upgrade_uuid"),
        ({}, 400, "upgrade_uuid"),
        ({"upgrade_uuid": uuid, "list": []}, 400, "list"),
        ({"upgrade_uuid": uuid, "list": [{"host_ip": IP, "service_type": "cloud"}]}, 400, "list[0]"),
        ({"upgrade_uuid": uuid, "list": [{"host_ip": IP, "service_type": "network"}]}, 400, "list[0].service_type"),
        ({"upgrade_uuid": uuid, "list": [{"host_ip": IP, "service_type": "storage"}] * 2}, 400, "list[1]"),
        ({"upgrade_uuid": uuid, "more": 1}, 400, "more"),
    ]
    for body, status, desc in cases:
        response = post(demo_api, "upgrade/rollback", body)
        assert (response.status_code, response.json()["desc"]) == (status, desc), body
    Backup.objects.filter(service_type="storage").update(remove_time="2026-01-01T00:00Z")
    gone = post(demo_api, "upgrade/rollback", {"upgrade_uuid": uuid})
    assert (gone.status_code, gone.json()["scode"]) == (409, 4073)
    assert "the backup of 10.30.12.55 storage was removed" in gone.json()["message"]
    backup = drive(
        run_of(data(post(demo_api, "compute/version/backup", {"host_ip": IP, "service_type": "storage"}))), term
    )
    nothing = post(demo_api, "upgrade/rollback", {"upgrade_uuid": str(backup.pk)})
    assert (nothing.status_code, nothing.json()["scode"]) == (409, 4073)
    LeaderLease.objects.update(expires_at=None)
    body = {"upgrade_uuid": uuid, "list": [{"host_ip": IP, "service_type": "compute"}]}
    assert post(demo_api, "upgrade/rollback", body).json()["scode"] == 11057
    assert not HostHold.objects.exists()


def test_the_current_package_is_the_newest_that_was_not_taken_back(
    demo_api: Client, demo_cluster: Cluster, term: int
) -> None:
    def seen() -> Any:
        return demo_api.get("/v1/system/upgrade_package/current/inspect").json().get("data", {}).get("version")

    drive(ask(demo_cluster, "storage", version="1.4.1"), term)
    second = drive(ask(demo_cluster, "storage", version="1.5"), term)
    assert seen() == "1.5"
    first = drive(run_of(data(post(demo_api, "upgrade/rollback", {"upgrade_uuid": str(second.pk)}))), term)
    assert (version(), seen()) == ("1.4.1", "1.4.1")
    drive(run_of(data(post(demo_api, "upgrade/rollback", {"upgrade_uuid": str(first.pk)}))), term)
    assert (version(), seen()) == ("1.5", "1.5")


@pytest.mark.parametrize("hosts", [1, 1000])
def test_a_rollback_of_many_hosts_costs_no_more_queries(
    demo_api: Client,
    demo_cluster: Cluster,
    hosts: int,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    run = UpgradeRun.objects.create(cluster=demo_cluster, author="a", state="succeeded", end_time=timezone.now())
    rows = [
        Host(cluster=demo_cluster, host_ip=f"10.9.{n // 250}.{n % 250}", transport="local", root="/x")
        for n in range(hosts)
    ]
    Host.objects.bulk_create(rows)
    HostService.objects.bulk_create(HostService(host=host, service_type="storage", version="2") for host in rows)
    items = [
        UpgradeItem(
            run=run,
            ordinal=place,
            host=host,
            host_ip=host.host_ip,
            service_type="storage",
            from_version="1",
            to_version="2",
            state="committed",
        )
        for place, host in enumerate(rows)
    ]
    UpgradeItem.objects.bulk_create(items)
    Backup.objects.bulk_create(
        Backup(
            host=item.host,
            service_type="storage",
            package_name="b",
            version="1",
            size=1,
            begin_time=timezone.now(),
            update_time=timezone.now(),
            task=item.task,
        )
        for item in items
    )
    # 15 in all, and more only where SQLite takes rows in batches.
    with django_assert_max_num_queries(30 if hosts == 1 else 60):
        answer = data(post(demo_api, "upgrade/rollback", {"upgrade_uuid": str(run.pk)}))
    assert len(answer["results"]) == hosts
