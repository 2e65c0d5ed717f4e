"""Runs on hosts that are reached by real SSH: they end as on local ones, and break as promised."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.models import Cluster, Host, HostService
from tests.sshd import SshHost, sshd_hosts
from upgrades import backup_hosts
from upgrades.agent import script
from upgrades.models import Backup, UpgradeItem
from upgrades.transports.host_keys import fingerprint_of

from .drive import ask_all, broken_package, content, drive, root, states

pytestmark = pytest.mark.django_db(transaction=True)
IPS = ("10.30.12.55", "10.30.12.56", "10.30.12.165")


@pytest.fixture
def hosts(demo_cluster: Cluster, tmp_path: Path) -> Iterator[list[SshHost]]:
    """The demo's three hosts, each behind a server of its own."""
    with sshd_hosts(3, tmp_path / "sshd") as found:
        for row, host in zip(Host.objects.order_by("pk"), found, strict=True):
            host.root = Path(row.root)
            Host.objects.filter(pk=row.pk).update(**host.row())
        yield found


def storage(host: SshHost) -> Path:
    return root(host.host_ip) / "storage" / "current"


def places(hosts: list[SshHost]) -> list[tuple[str, str]]:
    """Return (address, service) of a `storage` on each host that has one."""
    rows = HostService.objects.filter(service_type="storage", host__host_ip__in=[host.host_ip for host in hosts])
    return [(row.host.host_ip, "storage") for row in rows.select_related("host").order_by("host")]


def test_hosts_are_upgraded_and_keep_true_backups(hosts: list[SshHost], demo_cluster: Cluster, term: int) -> None:
    wanted = places(hosts)
    run = drive(ask_all(demo_cluster, *wanted, max_parallel=3), term)
    assert run.state == "succeeded", (run.message, [item.message for item in run.items.all()])
    for ip, _ in wanted:
        assert content(root(ip) / "storage" / "current")["etc/storage.conf"] == b"service=storage\nversion=1.5\n"
        assert (root(ip) / ".sysmgr" / "agent").read_bytes() == script()
        backup = Backup.objects.get(host__host_ip=ip)
        file = root(ip) / "backups" / backup.package_name
        assert hashlib.sha256(file.read_bytes()).hexdigest() == backup.sha256
        row = Host.objects.get(host_ip=ip)
        assert backup_hosts.ask(row, "check_backup", backup.package_name).code == 0


def test_a_failing_health_check_brings_the_old_bytes_back(
    hosts: list[SshHost], demo_cluster: Cluster, term: int, tmp_path: Path
) -> None:
    toml = '[services.storage.commands.health]\nargv = ["false"]\nseconds = 1\n'
    broken_package(demo_cluster, tmp_path, "2.0", toml)
    wanted = places(hosts)
    old = {ip: content(root(ip) / "storage" / "current") for ip, _ in wanted}
    run = drive(ask_all(demo_cluster, *wanted, version="2.0", max_parallel=3, fail_count=9), term)
    assert set(states(run)) == {"rolled_back"}
    assert {ip: content(root(ip) / "storage" / "current") for ip, _ in wanted} == old


def test_a_changed_host_key_stops_that_host_and_nothing_is_run_there(
    hosts: list[SshHost], demo_cluster: Cluster, term: int
) -> None:
    wanted = places(hosts)
    host = next(host for host in hosts if host.host_ip == wanted[0][0])
    old, before = content(storage(host)), fingerprint_of(host.host_key)
    host.stop()
    host.new_key()
    host.start()
    run = drive(ask_all(demo_cluster, *wanted), term)
    item = UpgradeItem.objects.get(run=run, host_ip=host.host_ip)
    assert (item.scode, item.reason, item.definite) == (4080, "host_key_changed", True)
    assert before in item.message
    assert fingerprint_of(host.host_key) in item.message
    assert content(storage(host)) == old
    assert not (host.root / ".sysmgr").exists()
