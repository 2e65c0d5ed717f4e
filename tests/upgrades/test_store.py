"""The package store at the API door: intake, list, current, backups."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from cluster.models import Cluster, Host, HostService
from sysmgr import env
from sysmgr.audit.services import SYSTEM
from sysmgr.management import demo
from tests.conftest import client_of
from upgrades.errors import PackageExists, PackageNameWrong
from upgrades.intake import Intake, import_file, store, sweep
from upgrades.models import Backup, UpgradePackage
from upgrades.package.errors import PackageNotSigned
from upgrades.versions import upgrades

LIST = "/v1/system/upgrade_package/list"
CURRENT = "/v1/system/upgrade_package/current/inspect"
BACKUPS = "/v1/system/compute/version/list"


@pytest.fixture
def demo_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data directory of the test's own."""
    monkeypatch.setattr(env, "DATA_DIR", tmp_path)
    (tmp_path / "keys").mkdir()
    yield tmp_path


@pytest.fixture
def demo_api(db: None, demo_data: Path) -> Client:
    """The demo as a first start makes it, and an administrator's client."""
    demo.set_up(SYSTEM)
    return client_of("administrator")


def test_demo_shows_the_documented_hosts_and_two_packages(demo_api: Client) -> None:
    answer = demo_api.get(LIST).json()
    assert list(answer) == ["scode", "desc", "message", "message_cn", "messageCn", "stack", "data"]
    examples = json.loads((Path(__file__).parents[1] / "contract" / "examples.json").read_text())
    documented = next(e for e in examples if e["path"] == LIST)["response"]["data"]
    assert answer["data"]["host_list"] == documented["host_list"]
    versions = [(entry["host_ip"], entry["type_version"]) for entry in answer["data"]["list"]]
    assert versions == [(entry["host_ip"], entry["type_version"]) for entry in documented["list"]]
    names = ["updatepackage_1.5.tar.gz", "updatepackage_1.4.1.tar.gz"]
    assert [package["package_name"] for package in answer["data"]["package_list"]] == names
    assert all(entry["upgrade_package_list"] == names for entry in answer["data"]["list"])


def test_an_accepted_package_lies_in_the_store_unchanged(demo_api: Client, demo_data: Path) -> None:
    import hashlib

    for package in demo_api.get(LIST).json()["data"]["package_list"]:
        cluster = Cluster.objects.get()
        content = (demo_data / "packages" / str(cluster.pk) / package["package_name"]).read_bytes()
        assert package["size"] == len(content)
        assert package["md5"] == hashlib.md5(content).hexdigest()
        assert package["sha256"] == hashlib.sha256(content).hexdigest()
    assert list((demo_data / "quarantine").iterdir()) == []


def test_set_up_is_safe_to_repeat(demo_api: Client) -> None:
    demo.set_up(SYSTEM)
    assert (Cluster.objects.count(), UpgradePackage.objects.count(), Host.objects.count()) == (1, 2, 3)


def test_a_refused_package_leaves_nothing_behind(demo_api: Client, demo_data: Path, tmp_path: Path) -> None:
    cluster = Cluster.objects.get()
    good = store(cluster) / "updatepackage_1.5.tar.gz"
    renamed = tmp_path / "updatepackage_9.9.tar.gz"
    renamed.write_bytes(good.read_bytes())
    with pytest.raises(PackageNameWrong):
        import_file(cluster, renamed, SYSTEM)
    stranger = Cluster.objects.create(name="other")
    with pytest.raises(PackageNotSigned):
        import_file(stranger, good, SYSTEM)
    assert import_file(cluster, good, SYSTEM).version == "1.5"
    UpgradePackage.objects.filter(version="1.5").update(sha256="0" * 64)
    with pytest.raises(PackageExists):
        import_file(cluster, good, SYSTEM)
    assert UpgradePackage.objects.count() == 2
    assert list((demo_data / "quarantine").iterdir()) == []


def test_a_file_under_any_other_name_is_what_its_manifest_says(demo_api: Client, tmp_path: Path) -> None:
    cluster = Cluster.objects.get()
    for name in ("updatepackage_1.5 (1).tar.gz", "download", "updatepackage_.tar.gz"):
        (tmp_path / name).write_bytes((store(cluster) / "updatepackage_1.5.tar.gz").read_bytes())
        assert import_file(cluster, tmp_path / name, SYSTEM).package_name == "updatepackage_1.5.tar.gz"


def test_the_same_package_again_mends_a_spoilt_store(demo_api: Client, tmp_path: Path) -> None:
    stored = store(Cluster.objects.get()) / "updatepackage_1.5.tar.gz"
    content = stored.read_bytes()
    copy = tmp_path / stored.name
    copy.write_bytes(content)
    for spoil in (lambda: stored.write_bytes(b"spoilt"), stored.unlink):
        spoil()
        import_file(Cluster.objects.get(), copy, SYSTEM)
        assert stored.read_bytes() == content
    assert UpgradePackage.objects.count() == 2


def test_sweep_removes_what_a_killed_process_left_and_nothing_else(demo_api: Client, demo_data: Path) -> None:
    cluster = Cluster.objects.get()
    living = Intake("updatepackage_9.tar.gz")
    leftovers = [demo_data / "quarantine" / "half", store(cluster) / "updatepackage_9.tar.gz"]
    foreign = demo_data / "packages" / "lost+found" / "file"
    foreign.parent.mkdir()
    for path in (*leftovers, foreign):
        path.write_bytes(b"x")
    sweep()
    assert not any(path.exists() for path in leftovers)
    assert foreign.exists() and living.path.exists()
    assert len(list(store(cluster).iterdir())) == 2
    living.abort()
    assert list((demo_data / "quarantine").iterdir()) == []


def test_an_unmanaged_service_is_shown_but_nothing_can_upgrade_it(demo_api: Client) -> None:
    HostService.objects.filter(service_type="cloud").update(unmanaged=True)
    entry = demo_api.get(LIST).json()["data"]["list"][0]
    assert (entry["type_version"], entry["upgrade_package_list"]) == ({"cloud": "1.4"}, [])


def test_current_is_unknown_until_hosts_report_a_stored_version(demo_api: Client) -> None:
    assert (demo_api.get(CURRENT).status_code, demo_api.get(CURRENT).json()["scode"]) == (404, 4030)
    HostService.objects.filter(service_type="cloud").update(version="1.5")
    data = demo_api.get(CURRENT).json()["data"]
    assert list(data) == ["package_name", "md5", "version", "update_time", "size"]
    assert data["package_name"] == "updatepackage_1.5.tar.gz"


def test_backups_are_listed_oldest_first_and_only_complete_ones(demo_api: Client) -> None:
    host = Host.objects.get(host_ip="10.30.12.55")
    for minute, complete in ((3, True), (1, True), (2, False)):
        moment = datetime(2026, 1, 1, 0, minute, tzinfo=UTC)
        Backup.objects.create(
            host=host,
            service_type="storage",
            package_name=f"backup_1.3_20260101_000{minute}.tar.gz",
            version="1.3",
            md5="0" * 32,
            size=7,
            begin_time=moment,
            update_time=moment if complete else None,
        )
    listed = demo_api.get(f"{BACKUPS}?host_ip=10.30.12.55").json()["data"]["list"]
    assert [entry["package_name"][-7:] for entry in listed] == [".tar.gz"] * 2
    assert [entry["update_time"] for entry in listed] == sorted(entry["update_time"] for entry in listed)
    assert demo_api.get(f"{BACKUPS}?host_ip=10.9.9.9").json()["desc"] == "host_ip"
    assert demo_api.get(BACKUPS).status_code == 400


@pytest.mark.parametrize("hosts", [1, 1000])
def test_package_list_costs_four_queries_however_many_hosts(
    api: Client, cluster: Cluster, hosts: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    made = Host.objects.bulk_create(
        Host(cluster=cluster, host_ip=f"10.0.{n // 250}.{n % 250}", root="/srv") for n in range(hosts)
    )
    HostService.objects.bulk_create(HostService(host=h, service_type="storage", version="1.3") for h in made)
    UpgradePackage.objects.create(
        cluster=cluster,
        package_name="updatepackage_2.0.tar.gz",
        version="2.0",
        md5="0" * 32,
        sha256="0" * 64,
        size=1,
        update_time=datetime(2026, 1, 1, tzinfo=UTC),
    )
    # gate · packages · payloads · hosts with services
    with django_assert_num_queries(4):
        assert len(api.get(LIST).json()["data"]["list"]) == hosts


@pytest.mark.parametrize(
    ("package", "minimum", "installed", "fits"),
    [
        ("1.4", "", "1.4.rc2", True),
        ("1.4.rc2", "", "1.4", False),
        ("1.5.rc1", "", "1.4", False),
        ("1.5.rc1", "", "1.4.rc2", True),
        ("3.2.5", "", "3.2.5.0", False),
        ("3.2.5.1", "", "3.2.5.0", True),
        ("1.5", "1.4", "1.3", False),
    ],
)
def test_which_package_fits_which_version(package: str, minimum: str, installed: str, fits: bool) -> None:
    assert upgrades(package, minimum, installed) is fits
