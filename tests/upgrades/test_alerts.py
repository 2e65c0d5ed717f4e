"""Alerts about runs: paused, failed and unproven ones, closed when the run or a later one mends it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from cluster.models import Cluster
from sysmgr.events.models import Alert
from tests.rows import host
from tests.upgrades.engine.drive import ask, broken_package, drive
from upgrades import alerts
from upgrades.models import UpgradeItem, UpgradeRun

FAILS = '[services.compute.commands.status]\nargv = ["false"]\nseconds = 1\n'


def open_keys() -> list[str]:
    alerts.show()
    alerts.show()
    assert not Alert.objects.filter(close_time=None, count__gt=1).exists()
    return sorted(key.partition(":")[0] for key in Alert.objects.filter(close_time=None).values_list("key", flat=True))


@pytest.mark.django_db(transaction=True)
def test_a_failed_run_stands_until_a_later_one_succeeds_there(demo_cluster: Cluster, term: int, tmp_path: Path) -> None:
    broken_package(demo_cluster, tmp_path, "2.0", FAILS)
    run = drive(ask(demo_cluster, "compute"), term)
    assert (run.state, open_keys()) == ("failed", ["upgrade.failed"])
    alert = Alert.objects.get()
    assert (alert.key, alert.cluster_uuid, alert.severity) == (f"upgrade.failed:{run.pk}", demo_cluster.pk, "error")
    assert run.message in alert.message and run.message_cn in alert.message_cn
    assert drive(ask(demo_cluster, "storage"), term).state == "succeeded"
    assert open_keys() == ["upgrade.failed"]
    assert drive(ask(demo_cluster, "compute", version="1.5"), term).state == "succeeded"
    assert open_keys() == []


@pytest.mark.django_db(transaction=True)
def test_a_paused_run_stands_while_it_is_paused(demo_cluster: Cluster, term: int, tmp_path: Path) -> None:
    broken_package(demo_cluster, tmp_path, "2.0", FAILS)
    run = drive(ask(demo_cluster, "compute", "storage"), term)
    assert (run.state, open_keys()) == ("paused", ["upgrade.paused"])
    UpgradeRun.objects.filter(pk=run.pk).update(state="running", paused_by="")
    assert open_keys() == []


@pytest.fixture
def item(cluster: Cluster) -> UpgradeItem:
    """An item of a run that is under way."""
    run = UpgradeRun.objects.create(cluster=cluster, author="x", state="running")
    on = host(cluster, 1)
    return UpgradeItem.objects.create(
        run=run, ordinal=0, host=on, host_ip=on.host_ip, service_type="cloud", from_version="1", to_version="2"
    )


def end(item: UpgradeItem, run_state: str, item_state: str) -> None:
    UpgradeRun.objects.filter(pk=item.run_id).update(state=run_state, end_time=timezone.now())
    UpgradeItem.objects.filter(pk=item.pk).update(state=item_state)


def test_an_unproven_host_has_an_alert_of_its_own_that_no_time_closes(item: UpgradeItem) -> None:
    end(item, "failed", "inconsistent")
    assert open_keys() == ["upgrade.failed", "upgrade.unproven"]
    old = timezone.now() - timedelta(days=400)
    UpgradeRun.objects.update(end_time=old)
    assert open_keys() == ["upgrade.unproven"]


def test_a_run_that_is_tried_again_and_succeeds_closes_its_own(item: UpgradeItem) -> None:
    end(item, "failed", "rolled_back")
    assert open_keys() == ["upgrade.failed"]
    UpgradeRun.objects.update(state="running", end_time=None)
    assert open_keys() == []
    end(item, "succeeded", "committed")
    assert open_keys() == []


def test_what_a_host_that_is_gone_left_is_closed(item: UpgradeItem) -> None:
    end(item, "failed", "rolled_back")
    assert open_keys() == ["upgrade.failed"]
    UpgradeItem.objects.update(host=None)
    assert open_keys() == []


def test_an_older_success_closes_nothing(item: UpgradeItem, cluster: Cluster) -> None:
    end(item, "succeeded", "committed")
    later = UpgradeRun.objects.create(cluster=cluster, author="x", state="failed", end_time=timezone.now())
    UpgradeItem.objects.create(
        run=later, ordinal=0, host=item.host, host_ip=item.host_ip, service_type="cloud", state="rolled_back"
    )
    assert open_keys() == ["upgrade.failed"]


@pytest.mark.parametrize(("failed", "later", "left"), [("upgrade", "backup", 1), ("backup", "backup", 0)])
def test_a_backup_makes_only_a_backup_good(
    item: UpgradeItem, cluster: Cluster, failed: str, later: str, left: int
) -> None:
    end(item, "failed", "failed")
    UpgradeRun.objects.update(kind=failed)
    run = UpgradeRun.objects.create(cluster=cluster, author="x", kind=later, state="succeeded", end_time=timezone.now())
    UpgradeItem.objects.create(
        run=run, ordinal=0, host=item.host, host_ip=item.host_ip, service_type="cloud", state="committed"
    )
    assert len(open_keys()) == left
