"""What each read costs in queries, at 1 host and at 1,000: the number never grows with the cluster."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cluster.models import Cluster, Host, HostService, Member
from upgrades.models import Backup, PackagePayload, UpgradeItem, UpgradePackage, UpgradeRun

NOW = datetime(2026, 1, 1, tzinfo=UTC)
# Each entry names its queries; the first one is always the gate's (token or key, user, policy, nearest deadline,
# cluster, newest revision). A key's one is counted in tests/sysmgr/test_gate_keys.py.
BUDGETS = {
    "version": 1,
    "member/list": 3,  # gate · database time (PostgreSQL) · lease and members
    "setting/inspect": 1,  # gate; 4 after a change: gate · sections · SNMP targets (· one to spare)
    "mail_setting/inspect": 1,
    # gate · packages · payloads · hosts with services; outside of a test's transaction PostgreSQL also tells the
    # version of the rows, and the second time that is all that is read (tests/upgrades/test_listing.py)
    "upgrade_package/list": 4,
    "upgrade_package/current/inspect": 2,  # gate · package of the newest run that succeeded
    "compute/version/list?host_ip=10.0.0.0": 3,  # gate · host · backups
    "upgrade/list": 3,  # gate · count · page
    "upgrade/inspect?upgrade_uuid={run}": 4,  # gate · run · items · rollback
}


@pytest.fixture(params=[1, 1000])
def run(request: pytest.FixtureRequest, cluster: Cluster) -> UpgradeRun:
    """A cluster of so many hosts, all of them in one run that succeeded, with a backup each."""
    hosts = Host.objects.bulk_create(
        Host(cluster=cluster, host_ip=f"10.0.{n // 250}.{n % 250}", root="/srv") for n in range(request.param)
    )
    HostService.objects.bulk_create(HostService(host=h, service_type="storage", version="1.3") for h in hosts)
    Member.objects.bulk_create(Member(address=f"10.1.0.{n}", version="1", heartbeat=NOW) for n in range(5))
    package = UpgradePackage.objects.create(
        cluster=cluster,
        package_name="updatepackage_2.0.tar.gz",
        version="2.0",
        md5="0" * 32,
        sha256="0" * 64,
        size=1,
        update_time=NOW,
    )
    PackagePayload.objects.create(package=package, service_type="storage", files=1, size=1)
    run = UpgradeRun.objects.create(cluster=cluster, state="succeeded", end_time=NOW)
    items = UpgradeItem.objects.bulk_create(
        UpgradeItem(
            run=run,
            ordinal=place,
            host=host,
            host_ip=host.host_ip,
            service_type="storage",
            package=package,
            package_name=package.package_name,
            from_version="1.3",
            to_version="2.0",
            state="committed",
        )
        for place, host in enumerate(hosts)
    )
    Backup.objects.bulk_create(
        Backup(
            host=item.host,
            service_type="storage",
            package_name="backup_1.3_20260101_0000.tar.gz",
            version="1.3",
            md5="0" * 32,
            sha256="0" * 64,
            size=1,
            begin_time=NOW,
            update_time=NOW,
            item=item,
        )
        for item in items
    )
    return run


@pytest.mark.parametrize("path", BUDGETS)
def test_a_read_stays_within_its_budget(api: Client, run: UpgradeRun, path: str) -> None:
    address = f"/v1/system/{path.format(run=run.pk)}"
    api.get("/v1/system/setting/inspect")  # the settings are rendered once per worker and revision
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer = api.get(address)
    assert answer.status_code == 200, answer.content
    assert len(queries) <= BUDGETS[path], [query["sql"][:90] for query in queries]


def test_settings_cost_at_most_four_queries_after_a_change(api: Client, run: UpgradeRun) -> None:
    api.get("/v1/system/setting/inspect")
    changed = api.post("/v1/system/setting/update", {"storage_setting": {"hop_hc": 4}}, content_type="application/json")
    assert changed.status_code == 200
    with CaptureQueriesContext(connection) as queries:
        answer = api.get("/v1/system/setting/inspect")
    assert answer.json()["data"]["storage_setting"] == {"hop_hc": 4}
    assert len(queries) <= 4
