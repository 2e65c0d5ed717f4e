"""Backups, restores and rollbacks at the API door, driven on real directories."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from cluster.models import Cluster, HostService, LeaderLease
from tests.conftest import client_of
from tests.together import at_once
from upgrades.models import Backup, HostHold, UpgradePackage, UpgradeRun

from .agent.host import tree
from .engine.drive import IP, ask, drive, root
from .engine.test_continue import interrupted

pytestmark = pytest.mark.django_db(transaction=True)
AWAY = "10.30.12.165"


@pytest.fixture(autouse=True)
def long_lease(term: int) -> None:
    """The lead for longer than a slow machine may take: on PostgreSQL a lease ends by the clock."""
    LeaderLease.objects.update(expires_at=timezone.now() + timedelta(days=1))


def post(client: Client, call: str, body: Any, **headers: str) -> Any:
    return client.post(f"/v1/system/{call}", json.dumps(body), content_type="application/json", headers=headers)


def data(response: Any) -> Any:
    assert response.status_code == 200, response.content
    return response.json()["data"]


def run_of(answer: dict[str, Any]) -> UpgradeRun:
    return UpgradeRun.objects.get(pk=answer["upgrade_uuid"])


def current(service: str = "storage", ip: str = IP) -> Path:
    return root(ip) / service / "current"


def version(service: str = "storage", ip: str = IP) -> str:
    return HostService.objects.get(host__host_ip=ip, service_type=service).version


@pytest.fixture
def upgraded(demo_cluster: Cluster, term: int) -> UpgradeRun:
    """A run that upgraded storage and compute of one host."""
    run = drive(ask(demo_cluster, "storage", "compute"), term)
    assert run.state == "succeeded"
    return run


def backup_of(service: str) -> Backup:
    """Return the oldest backup of a service."""
    return Backup.objects.filter(service_type=service).order_by("pk")[0]


def test_a_backup_run_only_backs_up(demo_api: Client, term: int) -> None:
    before = tree(root() / "storage")
    answer = data(post(demo_api, "compute/version/backup", {"host_ip": IP, "service_type": "storage"}))
    assert (answer["success"], answer["fail"], answer["results"][0]["package_name"]) == (1, 0, "")
    run = drive(run_of(answer), term)
    item = run.items.get()
    backup = Backup.objects.get()
    assert (run.kind, run.state, item.state) == ("backup", "succeeded", "committed")
    assert (item.from_version, item.to_version, item.package_name) == ("1.3", "1.3", backup.package_name)
    assert (version(), tree(root() / "storage")) == ("1.3", before)
    assert [path.name for path in (root() / "backups").iterdir()] == [backup.package_name]
    assert not HostHold.objects.exists()
    seen = data(demo_api.get(f"/v1/system/upgrade/inspect?upgrade_uuid={run.pk}"))
    assert (seen["kind"], seen["origin_uuid"], seen["rollback_uuid"]) == ("backup", "", "")


def test_a_restore_brings_the_old_bytes_back_with_a_backup_of_its_own(
    demo_api: Client, demo_cluster: Cluster, term: int
) -> None:
    (current() / "a link").symlink_to("bin")
    (current() / "closed").mkdir(mode=0o500)
    old = tree(current().resolve())
    drive(ask(demo_cluster, "storage"), term)
    new = tree(current().resolve())
    used = UpgradePackage.objects.get(version="1.5").update_time
    shutil.rmtree(root() / "storage" / "releases" / "1.3")
    name = Backup.objects.get().package_name
    body = {"host_ip": IP, "package_name": name}
    answer = data(post(demo_api, "compute/version/restore", body))
    item = answer["results"][0]
    assert (item["from_version"], item["to_version"], item["package_name"]) == ("1.5", "1.3", name)
    run = drive(run_of(answer), term)
    assert run.state == "succeeded", [i.message for i in run.items.all()]
    assert (tree(current().resolve()), version()) == (old, "1.3")
    assert current().readlink() == Path("releases/1.3")
    assert UpgradePackage.objects.get(version="1.5").update_time == used
    # And forward again, from the backup that the restore made first.
    second = Backup.objects.get(version="1.5")
    again = data(post(demo_api, "compute/version/restore", {"host_ip": IP, "package_name": second.package_name}))
    assert drive(run_of(again), term).state == "succeeded"
    assert (tree(current().resolve()), version()) == (new, "1.5")


def test_a_kept_release_is_used_although_its_backup_is_damaged(
    demo_api: Client, upgraded: UpgradeRun, term: int
) -> None:
    backup = backup_of("storage")
    (root() / "backups" / backup.package_name).write_bytes(b"spoilt")
    answer = data(post(demo_api, "compute/version/restore", {"host_ip": IP, "package_name": backup.package_name}))
    assert drive(run_of(answer), term).state == "succeeded"
    assert version() == "1.3"


def test_a_damaged_backup_whose_release_is_gone_changes_nothing(
    demo_api: Client, upgraded: UpgradeRun, term: int
) -> None:
    new = tree(current().resolve())
    backup = backup_of("storage")
    (root() / "backups" / backup.package_name).write_bytes(b"spoilt")
    shutil.rmtree(root() / "storage" / "releases" / "1.3")
    answer = data(post(demo_api, "compute/version/restore", {"host_ip": IP, "package_name": backup.package_name}))
    run = drive(run_of(answer), term)
    item = run.items.get()
    assert (run.state, item.state, item.scode) == ("failed", "failed", 4040)
    assert "is not what was written" in item.message
    assert (tree(current().resolve()), version()) == (new, "1.5")
    assert {path.name for path in (root() / "storage" / "releases").iterdir()} == {"1.5"}


@pytest.mark.parametrize("kind", ["backup", "restore"])
@pytest.mark.parametrize("state", ["backing_up", "staging", "activating", "verifying", "committed"])
def test_the_database_may_fail_anywhere(
    demo_api: Client, upgraded: UpgradeRun, term: int, monkeypatch: pytest.MonkeyPatch, kind: str, state: str
) -> None:
    name = backup_of("storage").package_name
    body = {"service_type": "storage"} if kind == "backup" else {"package_name": name}
    run = run_of(data(post(demo_api, f"compute/version/{kind}", {"host_ip": IP, **body})))
    if kind == "restore" or state in ("backing_up", "committed"):
        interrupted(monkeypatch, run, term, state)
    assert drive(run, term).state == "succeeded"
    assert version() == ("1.5" if kind == "backup" else "1.3")
    assert Backup.objects.filter(update_time__isnull=False).count() == len(list((root() / "backups").iterdir())) == 3


def test_a_backup_that_went_before_its_restore_is_tried_again_fails_it(
    demo_api: Client, upgraded: UpgradeRun, term: int
) -> None:
    new = tree(current().resolve())
    answer = data(
        post(demo_api, "compute/version/restore", {"host_ip": IP, "package_name": backup_of("storage").package_name})
    )
    Backup.objects.update(remove_time="2026-01-01T00:00Z")
    run = drive(run_of(answer), term)
    item = run.items.get()
    assert (run.state, item.state) == ("failed", "failed")
    assert "the backup is there no more" in item.message
    assert (tree(current().resolve()), version()) == (new, "1.5")


def test_what_backup_and_restore_refuse(demo_api: Client, upgraded: UpgradeRun) -> None:
    name = backup_of("storage").package_name
    cases: list[tuple[str, dict[str, Any], int, str]] = [
        ("backup", {"host_ip": "10.0.0.1", "service_type": "storage"}, 404, "host_ip"),
        ("backup", {"host_ip": IP, "service_type": "cloud"}, 400, "service_type"),
        ("backup", {"host_ip": IP, "service_type": "network"}, 400, "service_type"),
        ("backup", {"host_ip": IP}, 400, "service_type"),
        ("backup", {"host_ip": IP, "service_type": "storage", "wait": "yes"}, 400, "wait"),
        ("restore", {"host_ip": IP, "package_name": "no such"}, 404, "package_name"),
        ("restore", {"host_ip": AWAY, "package_name": name}, 404, "package_name"),
        ("restore", {"host_ip": "10.0.0.1", "package_name": name}, 404, "host_ip"),
        ("restore", {"package_name": name}, 400, "host_ip"),
    ]
    for call, body, status, desc in cases:
        response = post(demo_api, f"compute/version/{call}", body)
        assert (response.status_code, response.json()["desc"]) == (status, desc), body
    HostService.objects.filter(service_type="storage").update(version="1.3")
    same = post(demo_api, "compute/version/restore", {"host_ip": IP, "package_name": name})
    assert (same.status_code, same.json()["scode"]) == (400, 10001)
    assert "runs 1.3 already" in same.json()["message"]
    HostService.objects.filter(service_type="storage").update(unmanaged=True)
    foreign = post(demo_api, "compute/version/backup", {"host_ip": IP, "service_type": "storage"})
    assert (foreign.status_code, foreign.json()["desc"]) == (400, "service_type")
    assert not HostHold.objects.exists()


CALLS = {
    "compute/version/backup": {"host_ip": IP, "service_type": "storage"},
    "compute/version/restore": {"host_ip": IP, "package_name": "x"},
    "compute/version/verify": {"host_ip": IP, "package_name": "x"},
    "compute/version/remove": {"host_ip": IP, "package_name": "x"},
    "upgrade/rollback": {"upgrade_uuid": "5a3a1f2e-0000-4000-8000-000000000000"},
}


@pytest.mark.parametrize("call", CALLS)
def test_auditors_only_read_operators_may(demo_cluster: Cluster, term: int, call: str) -> None:
    assert post(client_of("auditor"), call, CALLS[call]).status_code == 403
    assert post(client_of("operator"), call, CALLS[call]).status_code in (200, 404)


def test_one_key_starts_one_run(demo_api: Client, demo_cluster: Cluster) -> None:
    body = {"host_ip": IP, "service_type": "storage"}
    first = post(demo_api, "compute/version/backup", body, **{"Idempotency-Key": "k1"})
    second = post(demo_api, "compute/version/backup", body, **{"Idempotency-Key": "k1"})
    assert data(first) == data(second)
    assert second.headers["Idempotent-Replay"] == "true"
    assert UpgradeRun.objects.count() == 1
    plain = post(demo_api, "compute/version/backup", body)
    assert (plain.status_code, plain.json()["scode"]) == (409, 4046)


def test_of_two_at_once_one_gets_the_host(demo_api: Client, upgraded: UpgradeRun) -> None:
    name = backup_of("storage").package_name
    bodies = [
        ("compute/version/restore", {"host_ip": IP, "package_name": name}),
        ("upgrade/rollback", {"upgrade_uuid": str(upgraded.pk)}),
        ("compute/version/backup", {"host_ip": IP, "service_type": "compute"}),
    ]
    clients = [demo_api, client_of("operator"), demo_api]
    calls = [lambda c=c, b=b: post(c, *b).status_code for c, b in zip(clients, bodies, strict=True)]
    assert sorted(at_once(calls)) == [200, 409, 409]
    assert HostHold.objects.count() == 1
