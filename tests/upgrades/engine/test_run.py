"""The engine on real directories: files change, backups hold, failures roll back."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path
from typing import Any

import pytest

from cluster.leader import LostLeadership
from cluster.models import Cluster, HostService
from sysmgr import env
from sysmgr.audit.services import SYSTEM
from sysmgr.errors import NoLeader
from upgrades.errors import HostHeld, UpgradeRefused
from upgrades.intake import store
from upgrades.models import Backup, HostHold, UpgradeItem, UpgradeRun
from upgrades.services import request_upgrade

from .drive import IP, ask, broken_package, content, drive, go, root

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_upgrade_changes_files_and_keeps_a_true_backup(demo_cluster: Cluster, term: int, tmp_path: Path) -> None:
    old = content(root() / "storage" / "current")
    run = drive(ask(demo_cluster, "storage"), term)
    assert run.state == "succeeded", (run.message, [i.message for i in run.items.all()])
    new = content(root() / "storage" / "current")
    assert new["etc/storage.conf"] == b"service=storage\nversion=1.5\n"
    backup = Backup.objects.get()
    file = root() / "backups" / backup.package_name
    assert backup.md5 == hashlib.md5(file.read_bytes()).hexdigest()
    assert backup.size == file.stat().st_size
    with tarfile.open(file) as archive:
        archive.extractall(tmp_path / "read", filter="data")
    assert content(tmp_path / "read") == old
    assert HostService.objects.get(host__host_ip=IP, service_type="storage").version == "1.5"
    assert not HostHold.objects.exists()
    assert not (env.DATA_DIR / "work" / str(run.pk)).exists()


def test_two_services_of_one_version_keep_two_backups(demo_cluster: Cluster, term: int) -> None:
    run = drive(ask(demo_cluster, "storage", "compute", ip="10.30.12.165"), term)
    assert run.state == "succeeded"
    names = set(Backup.objects.values_list("package_name", flat=True))
    assert len(names) == 2
    assert {p.name for p in (root("10.30.12.165") / "backups").iterdir()} == names


def test_a_failing_check_brings_the_old_bytes_back(demo_cluster: Cluster, term: int, tmp_path: Path) -> None:
    toml = '[services.storage.commands.status]\nargv = ["false"]\nseconds = 1\n'
    broken_package(demo_cluster, tmp_path, "2.0", toml)
    old = content(root() / "storage" / "current")
    run = drive(ask(demo_cluster, "storage", "compute"), term)
    assert run.state == "failed"
    states = dict(run.items.values_list("service_type", "state"))
    assert states == {"storage": "rolled_back", "compute": "committed"}
    assert content(root() / "storage" / "current") == old
    assert HostService.objects.get(host__host_ip=IP, service_type="storage").version == "1.3"
    assert "status" in run.items.get(service_type="storage").message


def test_what_cannot_be_proven_tells_which_marks_were_found(demo_cluster: Cluster, term: int, tmp_path: Path) -> None:
    gone = f"{root()}/storage/releases/1.3 {root()}/backups"
    toml = f'[services.storage.commands.health]\nargv = ["sh", "-c", "rm -r {gone}; exit 1"]\nseconds = 1\n'
    broken_package(demo_cluster, tmp_path, "2.0", toml)
    item = drive(ask(demo_cluster, "storage"), term).items.get()
    assert (item.state, item.reason) == ("inconsistent", "unproven")
    assert "activate.stop done, activate done, verify started, rollback started)" in item.message
    assert "the backup backup_1.3_" in item.message and "Recovering by hand" in item.message_cn + item.message


def test_a_reached_threshold_pauses_before_what_has_not_begun(demo_cluster: Cluster, term: int, tmp_path: Path) -> None:
    toml = '[services.compute.commands.status]\nargv = ["false"]\nseconds = 1\n'
    broken_package(demo_cluster, tmp_path, "2.0", toml)
    run = drive(ask(demo_cluster, "storage", "compute"), term)
    states = dict(run.items.values_list("service_type", "state"))
    assert states == {"compute": "rolled_back", "storage": "pushing"}
    assert (run.state, run.paused_by, run.scode) == ("paused", "threshold", 4053)
    assert HostHold.objects.filter(run=run).exists()


@pytest.mark.parametrize(
    ("options", "storage"),
    [
        ({"fail_count": 2}, "committed"),
        ({"fail_percent": 100}, "committed"),
        ({"fail_percent": 10}, "pushing"),
        ({"fail_percent": 100, "fail_count": 1}, "pushing"),
    ],
)
def test_the_threshold_is_a_count_a_percentage_or_either(
    demo_cluster: Cluster, term: int, tmp_path: Path, options: dict[str, Any], storage: str
) -> None:
    toml = '[services.compute.commands.status]\nargv = ["false"]\nseconds = 1\n'
    broken_package(demo_cluster, tmp_path, "2.0", toml)
    run = drive(ask(demo_cluster, "storage", "compute", **options), term)
    states = dict(run.items.values_list("service_type", "state"))
    assert states == {"compute": "rolled_back", "storage": storage}
    assert run.state == ("failed" if storage == "committed" else "paused")


def test_a_failed_precheck_changes_nothing(demo_cluster: Cluster, term: int) -> None:
    (root() / "storage" / "current").unlink()
    (root() / "storage" / "current").symlink_to("/nowhere")
    run = drive(ask(demo_cluster, "compute", "storage"), term)
    assert (run.state, run.error) == ("failed", "PrecheckFailed")
    assert not Backup.objects.exists()
    assert "skipped" in run.items.values_list("state", flat=True)


def test_a_changed_package_file_ends_the_run(demo_cluster: Cluster, term: int) -> None:
    with (store(demo_cluster) / "updatepackage_1.5.tar.gz").open("ab") as file:
        file.write(b"x")
    run = drive(ask(demo_cluster, "storage"), term)
    assert (run.state, run.error) == ("failed", "PackageUnusable")
    assert {item.state for item in run.items.all()} == {"skipped"}


def test_an_old_term_writes_nothing(demo_cluster: Cluster, term: int) -> None:
    run = ask(demo_cluster, "storage")
    with pytest.raises(LostLeadership):
        go(run, term - 1)
    run.refresh_from_db()
    assert run.state == "pending"


@pytest.mark.parametrize("state", ["pushing", "backing_up", "staging", "activating", "verifying"])
def test_a_run_goes_on_from_the_hosts_markers(demo_cluster: Cluster, term: int, state: str) -> None:
    """The database is set back to `state` after the host has done everything: nothing is done twice."""
    run = drive(ask(demo_cluster, "storage"), term)
    UpgradeRun.objects.filter(pk=run.pk).update(state="running", end_time=None)
    UpgradeItem.objects.filter(run=run).update(state=state)
    HostService.objects.filter(host__host_ip=IP, service_type="storage").update(version="1.3")
    assert drive(run, term).state == "succeeded"
    assert len(list((root() / "backups").iterdir())) == Backup.objects.count() == 1
    assert HostService.objects.get(host__host_ip=IP, service_type="storage").version == "1.5"


def test_refusals_name_each_item_and_start_nothing(demo_cluster: Cluster, term: int) -> None:
    items = [
        {"host_ip": "10.9.9.9", "service_type": "storage"},
        {"host_ip": IP, "service_type": "cloud"},
        {"host_ip": IP, "service_type": "storage", "version": "1.0"},
        {"host_ip": IP, "service_type": "storage", "version": "1.5"},
    ]
    with pytest.raises(UpgradeRefused) as refused:
        request_upgrade(demo_cluster, items, {}, SYSTEM)
    assert refused.value.field == (
        "list[0].host_ip: 10.9.9.9 storage; list[1].service_type: 10.30.12.55 cloud; "
        "list[2].version: 10.30.12.55 storage 1.0; list[3].service_type: 10.30.12.55 storage 1.5"
    )
    assert not UpgradeRun.objects.exists()


def test_a_held_host_is_refused_naming_the_run(demo_cluster: Cluster, term: int) -> None:
    run = ask(demo_cluster, "storage")
    with pytest.raises(HostHeld) as held:
        ask(demo_cluster, "compute")
    assert str(run.pk) in held.value.text


def test_without_a_leader_nothing_is_started(demo_cluster: Cluster) -> None:
    with pytest.raises(NoLeader):
        ask(demo_cluster, "storage")
    assert not UpgradeRun.objects.exists() and not HostHold.objects.exists()
