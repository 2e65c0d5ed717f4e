"""Looking after backups: inspect, verify, remove, and how long they are kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from cluster.models import Cluster, LeaderLease
from sysmgr import env
from sysmgr.audit.models import AuditRow
from sysmgr.events.models import Event
from tests.together import at_once
from upgrades import backup_hosts, backup_retention
from upgrades.models import Backup, UpgradeItem, UpgradeRun
from upgrades.transports.base import Unreachable
from upgrades.transports.local import LocalTransport

from .engine.drive import IP, ask, drive, root
from .test_backups import backup_of, data, post, run_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def long_lease(term: int) -> None:
    """The lead for longer than a slow machine may take: on PostgreSQL a lease ends by the clock."""
    LeaderLease.objects.update(expires_at=timezone.now() + timedelta(days=1))


@pytest.fixture
def old_backup(demo_api: Client, demo_cluster: Cluster, term: int) -> Backup:
    """The backup of 1.3 after two upgrades: it is no way back any more."""
    for version in ("1.4.1", "1.5"):
        assert drive(ask(demo_cluster, "storage", version=version), term).state == "succeeded"
    return backup_of("storage")


def body_of(backup: Backup) -> dict[str, str]:
    return {"host_ip": IP, "package_name": backup.package_name}


def file_of(backup: Backup) -> Path:
    return root() / "backups" / backup.package_name


def names(client: Client) -> list[str]:
    return [
        entry["package_name"] for entry in data(client.get(f"/v1/system/compute/version/list?host_ip={IP}"))["list"]
    ]


def test_one_backup_is_shown(
    demo_api: Client, old_backup: Backup, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    query = f"host_ip={IP}&package_name={old_backup.package_name}"
    # gate · backup
    with django_assert_num_queries(2):
        seen = data(demo_api.get(f"/v1/system/compute/version/inspect?{query}"))
    assert list(seen) == [
        "package_name",
        "md5",
        "version",
        "update_time",
        "size",
        "service_type",
        "upgrade_uuid",
        "sha256",
        "verified_time",
    ]
    assert old_backup.item is not None
    assert (seen["service_type"], seen["upgrade_uuid"]) == ("storage", str(old_backup.item.run_id))
    assert (seen["sha256"], seen["verified_time"]) == (old_backup.sha256, None)
    for wrong, status in {
        f"host_ip={IP}&package_name=x": 404,
        "host_ip=x&package_name=x": 404,
        "host_ip=x": 400,
    }.items():
        assert demo_api.get(f"/v1/system/compute/version/inspect?{wrong}").status_code == status


def test_a_backup_is_verified_on_its_host(demo_api: Client, old_backup: Backup) -> None:
    begun = int(timezone.now().timestamp())
    seen = data(post(demo_api, "compute/version/verify", body_of(old_backup)))
    assert begun <= seen["verified_time"] <= int(timezone.now().timestamp())
    assert (
        data(post(demo_api, "compute/version/verify", body_of(old_backup)))["package_name"] == old_backup.package_name
    )
    assert AuditRow.objects.filter(action="backup.verify", result="success").count() == 2


@pytest.mark.parametrize("spoilt", ["gone", "other"])
def test_a_damaged_backup_is_told_noted_and_an_event(demo_api: Client, old_backup: Backup, spoilt: str) -> None:
    data(post(demo_api, "compute/version/verify", body_of(old_backup)))
    if spoilt == "gone":
        file_of(old_backup).unlink()
    else:
        file_of(old_backup).write_bytes(b"other")
    for _ in range(2):
        key = {"Idempotency-Key": spoilt}
        refused = post(demo_api, "compute/version/verify", body_of(old_backup), **key)
        assert (refused.status_code, refused.json()["scode"], refused.json()["desc"]) == (409, 4075, "package_name")
    old_backup.refresh_from_db()
    assert old_backup.verified_time is None
    event = Event.objects.get(kind="backup.damaged")  # the second answer was the first one's
    assert (event.severity, event.cluster_uuid, event.data["package_name"]) == (
        "error",
        Cluster.objects.get().pk,
        old_backup.package_name,
    )
    assert AuditRow.objects.filter(action="backup.verify", result="damaged").count() == 1


def test_a_host_that_cannot_be_asked_is_told(
    demo_api: Client, old_backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.move(root(), root().with_name("away"))
    for _ in range(2):  # what went wrong on our side is not kept as the answer
        away = post(demo_api, "compute/version/verify", body_of(old_backup), **{"Idempotency-Key": "k"})
        assert (away.status_code, away.json()["scode"]) == (502, 4043)
    shutil.move(root().with_name("away"), root())
    data(post(demo_api, "compute/version/verify", body_of(old_backup), **{"Idempotency-Key": "k"}))

    async def hangs(self: LocalTransport, *words: str, **more: Any) -> Any:
        raise Unreachable("the step did not end")

    monkeypatch.setattr(LocalTransport, "run", hangs)
    monkeypatch.setattr(backup_hosts.ask, "__defaults__", (1.0,))
    slow = post(demo_api, "compute/version/verify", body_of(old_backup))
    assert (slow.status_code, slow.json()["scode"]) == (504, 4076)
    LeaderLease.objects.update(expires_at=None)
    assert post(demo_api, "compute/version/verify", body_of(old_backup)).json()["scode"] == 11057


def test_a_backup_is_removed_with_its_file(demo_api: Client, old_backup: Backup) -> None:
    first = post(demo_api, "compute/version/remove", body_of(old_backup), **{"Idempotency-Key": "k"})
    assert data(first) == {}
    assert not file_of(old_backup).exists()
    assert not Backup.objects.filter(pk=old_backup.pk).exists()
    assert data(post(demo_api, "compute/version/remove", body_of(old_backup), **{"Idempotency-Key": "k"})) == {}
    assert post(demo_api, "compute/version/remove", body_of(old_backup)).status_code == 404
    assert AuditRow.objects.filter(action="backup.remove").count() == 1
    assert len(names(demo_api)) == 1


def test_the_way_back_and_what_a_run_needs_stay(demo_api: Client, old_backup: Backup) -> None:
    way_back = Backup.objects.get(version="1.4.1")
    refused = post(demo_api, "compute/version/remove", body_of(way_back))
    assert (refused.status_code, refused.json()["scode"]) == (409, 4072)
    run = run_of(data(post(demo_api, "compute/version/restore", body_of(old_backup))))
    used = post(demo_api, "compute/version/remove", body_of(old_backup))
    assert (used.status_code, used.json()["scode"]) == (409, 4071)
    assert str(run.pk) in used.json()["message"]
    assert file_of(way_back).exists() and file_of(old_backup).exists()


def test_of_a_removal_and_a_restore_at_once_one_wins(demo_api: Client, old_backup: Backup) -> None:
    calls = [
        lambda call=call: post(demo_api, f"compute/version/{call}", body_of(old_backup)).status_code
        for call in ("restore", "remove")
    ]
    restored, removed = at_once(calls)
    assert (restored, removed) in ((200, 409), (404, 200))
    assert Backup.objects.filter(pk=old_backup.pk).exists() == (restored == 200)


def test_a_removal_that_was_cut_short_is_finished_by_the_job(demo_api: Client, old_backup: Backup) -> None:
    shutil.move(root(), root().with_name("away"))
    assert data(post(demo_api, "compute/version/remove", body_of(old_backup))) == {}
    assert len(names(demo_api)) == 1
    assert (
        demo_api.get(
            f"/v1/system/compute/version/inspect?host_ip={IP}&package_name={old_backup.package_name}"
        ).status_code
        == 404
    )
    backup_retention.sweep()
    assert Backup.objects.filter(pk=old_backup.pk, remove_time__isnull=False).exists()
    shutil.move(root().with_name("away"), root())
    assert file_of(old_backup).exists()
    backup_retention.sweep()
    assert not file_of(old_backup).exists()
    assert not Backup.objects.filter(pk=old_backup.pk).exists()
    backup_retention.sweep()


def test_what_is_old_goes_but_never_the_newest_nor_the_way_back(
    demo_api: Client, old_backup: Backup, term: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        drive(run_of(data(post(demo_api, "compute/version/backup", {"host_ip": IP, "service_type": "storage"}))), term)
    old, way_back, *newer = Backup.objects.order_by("pk")
    assert (old, way_back.version, len(newer)) == (old_backup, "1.4.1", 2)
    monkeypatch.setattr(env, "BACKUP_KEEP", 1)
    backup_retention.sweep()
    assert Backup.objects.count() == 4  # all are young
    Backup.objects.update(update_time=timezone.now() - timedelta(days=31))
    monkeypatch.setattr(env, "BACKUP_KEEP", 4)
    backup_retention.sweep()
    assert Backup.objects.count() == 4  # all are among the newest
    monkeypatch.setattr(env, "BACKUP_KEEP", 1)
    run = run_of(data(post(demo_api, "compute/version/restore", body_of(old))))
    backup_retention.sweep()
    assert set(Backup.objects.all()) == {old, way_back, newer[1]}
    UpgradeRun.objects.filter(pk=run.pk).update(state="cancelled", end_time=timezone.now())
    UpgradeItem.objects.filter(run=run).update(state="skipped")
    backup_retention.sweep()
    assert set(Backup.objects.all()) == {way_back, newer[1]}
    assert {path.name for path in (root() / "backups").iterdir()} == {way_back.package_name, newer[1].package_name}
    assert "2 (kept: the newest 1 of each service, and all of the last 30 days" in backup_retention.told()


def test_the_product_starts_with_the_periods_of_the_environment() -> None:
    script = "from sysmgr import env; print(env.BACKUP_KEEP, env.BACKUP_DAYS)"
    variables = {**os.environ, "SYSMGR_BACKUP_KEEP": "5", "SYSMGR_BACKUP_DAYS": "7"}
    done = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["5", "7"]
