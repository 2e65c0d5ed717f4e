"""Upgrades over HTTP change real files, keep true backups, and bring the old bytes back when a check fails."""

from __future__ import annotations

import time
from pathlib import Path

from tests.server import packages
from tests.server.hosts import (
    Watcher,
    backup_content,
    content,
    daemon_says,
    host,
    listed,
    on_disk,
    store,
    true_facts,
    upgrade,
)
from tests.server.processes import alive, until
from tests.server.product import Product


def test_an_upgrade_changes_the_disk_and_keeps_a_true_backup(server: Product) -> None:
    root = host(server, "10.30.12.161")
    service = root / "cloud"
    old = content(service / "current")
    begun = int(time.time())
    with Watcher(service / "current") as watcher:
        run = upgrade(server, "10.30.12.161", "cloud", version="1.5")
    assert run["state"] == "succeeded", run
    assert (watcher.missed, watcher.targets) == ([], ["releases/1.4", "releases/1.5"])
    assert watcher.looks > 100
    package = store(server) / "updatepackage_1.5.tar.gz"
    assert on_disk(service / "current") == listed(package, "cloud")

    (file,) = (root / "backups").iterdir()
    assert backup_content(file) == old
    (entry,) = server.get("compute/version/list", host_ip="10.30.12.161")["list"]
    assert list(entry) == ["package_name", "md5", "version", "update_time", "size"]
    assert (entry["package_name"], entry["version"]) == (file.name, "1.4")
    assert (entry["md5"], entry["size"]) == true_facts(file)
    assert begun <= entry["update_time"] <= time.time()

    current = server.get("upgrade_package/current/inspect")
    assert (current["package_name"], current["version"]) == ("updatepackage_1.5.tar.gz", "1.5")
    assert (current["md5"], current["size"]) == true_facts(package)
    assert current["update_time"] == run["end_time"]
    hosts = {entry["host_ip"]: entry for entry in server.get("upgrade_package/list")["list"]}
    assert hosts["10.30.12.161"]["type_version"] == {"cloud": "1.5"}
    assert "updatepackage_1.5.tar.gz" not in hosts["10.30.12.161"]["upgrade_package_list"]


def test_two_services_of_one_version_in_one_minute_keep_two_backups(server: Product) -> None:
    root = host(server, "10.30.12.165")
    old = {service: content(root / service / "current") for service in ("compute", "storage")}
    run = upgrade(server, "10.30.12.165", "compute", "storage", version="1.4.1")
    assert run["state"] == "succeeded", run
    entries = server.get("compute/version/list", host_ip="10.30.12.165")["list"]
    files = {entry["package_name"]: root / "backups" / entry["package_name"] for entry in entries}
    assert sorted(files.values()) == sorted((root / "backups").iterdir())
    assert len(files) == 2
    for entry in entries:
        assert (entry["md5"], entry["size"]) == true_facts(files[entry["package_name"]])
    kept = [backup_content(file) for file in files.values()]
    assert all(release in kept for release in old.values())


def test_a_failing_status_brings_the_old_bytes_back(server: Product, tmp_path: Path) -> None:
    package = packages.build(server, "1.9", packages.failing(tmp_path, "compute"))
    taken = server.upload(package)
    assert (taken["md5"], taken["size"]) == true_facts(package)
    assert (store(server) / package.name).read_bytes() == package.read_bytes()

    service = host(server, "10.30.12.55") / "compute"
    old = content(service / "current")
    with Watcher(service / "current") as watcher:
        run = upgrade(server, "10.30.12.55", "compute", version="1.9")
    assert (run["state"], run["results"][0]["state"]) == ("failed", "rolled_back"), run
    assert "status" in run["results"][0]["message"]
    assert watcher.missed == []
    assert watcher.targets == ["releases/1.4.rc2", "releases/1.9", "releases/1.4.rc2"]
    assert content(service / "current") == old
    assert not (service / "releases" / "1.9").exists()
    hosts = {entry["host_ip"]: entry for entry in server.get("upgrade_package/list")["list"]}
    assert hosts["10.30.12.55"]["type_version"]["compute"] == "1.4.rc2"


def test_the_running_process_is_the_one_of_the_new_release(server: Product, run_folder: Path, tmp_path: Path) -> None:
    # The first release is stopped by nobody: before it there was only a tree of files.
    for version, hooks in {"2.0": ("start", "status"), "2.1": ("stop", "start", "status")}.items():
        server.upload(packages.build(server, version, packages.daemon(tmp_path, "storage", version, *hooks)))
    first = upgrade(server, "10.30.12.55", "storage", version="2.0")
    assert first["state"] == "succeeded", first
    version, old = daemon_says(run_folder)
    assert (version, alive(old)) == ("2.0", True)

    second = upgrade(server, "10.30.12.55", "storage", version="2.1")
    assert second["state"] == "succeeded", second
    version, new = daemon_says(run_folder)
    assert (version, alive(new)) == ("2.1", True)
    until("the old process is gone", lambda: not alive(old), 10)
    service = host(server, "10.30.12.55") / "storage"
    assert Path(f"/proc/{new}/cwd").readlink() == (service / "releases" / "2.1").resolve()
