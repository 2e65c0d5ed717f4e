"""The leader's sweep: rows follow the hosts, what others did shows, and nobody else's host is touched."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cluster.leader import LostLeadership
from cluster.models import Cluster, Host, HostService, LeaderLease
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from sysmgr.events.alerts import Trouble, acknowledge, raise_alert
from sysmgr.events.models import Alert, Event
from tests.cluster.conftest import lay_out
from tests.sshd import SshHost
from upgrades.engine.fence import OUTDONE
from upgrades.hosts import alerts, asking, sweeping
from upgrades.models import HostHold, UpgradeRun
from upgrades.transports.base import Result

pytestmark = pytest.mark.django_db(transaction=True)


def local(cluster: Cluster, root: Path, place: int = 1, **services: str) -> Host:
    """Make a host whose folder and whose rows say the same."""
    lay_out(root, **services)
    host = Host.objects.create(cluster=cluster, host_ip=f"192.0.2.{place}", transport="local", root=str(root))
    for service, version in services.items():
        host.services.create(service_type=service, version=version)
    return host


def keys() -> list[str]:
    return list(Alert.objects.filter(close_time=None).order_by("key").values_list("key", flat=True))


def version(service: str = "cloud") -> tuple[str, bool]:
    row = HostService.objects.get(service_type=service)
    return row.version, row.unmanaged


def test_a_host_that_says_the_same_leaves_no_trace(led: Client, cluster: Cluster, roots: Path) -> None:
    host = local(cluster, roots / "a", cloud="1.0")
    audited = AuditRow.objects.count()
    sweeping.sweep()
    host.refresh_from_db()
    assert host.seen_time is not None
    assert AuditRow.objects.count() == audited and not Event.objects.filter(kind="host.drift").exists()
    inside = sorted(str(path.relative_to(host.root)) for path in Path(host.root).rglob("*"))
    assert [name for name in inside if not name.startswith("cloud")] == [
        ".sysmgr",
        ".sysmgr/agent",
        ".sysmgr/fence",
        ".sysmgr/lock",
    ]


def test_rows_follow_the_host_and_the_drift_is_told(led: Client, cluster: Cluster, roots: Path) -> None:
    host = local(cluster, roots / "a", cloud="1.0", storage="2.0")
    HostService.objects.filter(service_type="cloud").update(catch_up="1.1")
    lay_out(roots / "a", cloud="1.1", compute="3.0")
    (roots / "a" / "storage" / "current").unlink()
    (roots / "a" / "storage" / "current").mkdir()
    sweeping.sweep()
    assert (version(), version("compute"), version("storage")) == (("1.1", False), ("3.0", False), ("", True))
    assert HostService.objects.get(service_type="cloud").catch_up == ""
    row = AuditRow.objects.filter(action="host.drift").get()
    assert (row.user_name, row.changes[0]) == ("system", {"path": "cloud.version", "from": "1.0", "to": "1.1"})
    event = Event.objects.get(kind="host.drift")
    assert event.data["host_ip"] == "192.0.2.1" and "cloud 1.0 → 1.1" in event.message
    assert keys() == [f"host.drift:{host.pk}"]
    alert = Alert.objects.get()
    assert "storage 2.0 → (none)" in alert.message and alert.cluster_uuid == cluster.pk
    sweeping.sweep()
    assert keys() == [f"host.drift:{host.pk}"]  # until somebody has seen it
    acknowledge(alert.pk, None, SYSTEM)
    sweeping.sweep()
    assert keys() == []
    assert Event.objects.filter(kind="host.drift").count() == 1


def test_a_held_host_is_not_asked(led: Client, cluster: Cluster, roots: Path) -> None:
    host = local(cluster, roots / "a", cloud="1.0")
    HostHold.objects.create(host=host, run=UpgradeRun.objects.create(cluster=cluster))
    lay_out(roots / "a", cloud="1.1")
    sweeping.sweep()
    assert version() == ("1.0", False)
    assert not (roots / "a" / ".sysmgr").exists()


def test_what_changed_since_the_host_was_asked_wins(led: Client, cluster: Cluster, roots: Path) -> None:
    host = local(cluster, roots / "a", cloud="1.0")
    (asked,) = sweeping._askable()
    HostService.objects.update(version="1.2")  # a run came and went
    sweeping._follow(asked, {"cloud": "1.1"})
    assert version() == ("1.2", False)
    assert keys() == [] and host.pk


def test_a_host_of_another_installation_is_left_alone(led: Client, cluster: Cluster, roots: Path) -> None:
    host = local(cluster, roots / "a", cloud="1.0")
    fence = roots / "a" / ".sysmgr" / "fence"
    fence.parent.mkdir()
    fence.write_text("another-cluster 7\n")
    lay_out(roots / "a", cloud="1.1")
    sweeping.sweep()
    assert keys() == [f"host.foreign_cluster:{host.pk}"]
    assert fence.read_text() == "another-cluster 7\n"
    assert version() == ("1.0", False)
    fence.unlink()
    sweeping.sweep()
    assert f"host.foreign_cluster:{host.pk}" not in keys()


def test_silence_is_told_after_more_than_one_sweep(led: Client, cluster: Cluster, roots: Path) -> None:
    host = local(cluster, roots / "a", cloud="1.0")
    sweeping.sweep()
    shutil.move(roots / "a", roots / "away")
    sweeping.sweep()
    assert keys() == []
    long_ago = timezone.now() - timedelta(seconds=2 * sweeping.SECONDS)
    Host.objects.update(seen_time=long_ago)
    sweeping.sweep()
    assert keys() == [f"host.unreachable:{host.pk}"]
    host.refresh_from_db()
    assert host.seen_time == long_ago and version() == ("1.0", False)
    shutil.move(roots / "away", roots / "a")
    sweeping.sweep()
    assert keys() == []
    Host.objects.update(seen_time=long_ago)
    shutil.rmtree(roots / "a")
    sweeping.sweep()
    host.delete()
    sweeping.sweep()
    assert keys() == []  # nothing is left that it could be about


def test_over_ssh_only_pinned_hosts_are_asked(led: Client, cluster: Cluster, sshd: SshHost) -> None:
    host = Host.objects.create(cluster=cluster, **{**sshd.row(), "host_key": ""})
    host.services.create(service_type="storage", unmanaged=True)
    sweeping.sweep()
    assert not (sshd.root / ".sysmgr").exists()
    Host.objects.update(host_key=sshd.host_key)
    sweeping.sweep()
    assert version("storage") == ("1.3", False)
    sshd.stop()
    sshd.new_key()
    sshd.start()
    sweeping.sweep()
    assert f"host.key_changed:{host.pk}" in keys()
    Host.objects.update(host_key=sshd.host_key)
    sweeping.sweep()
    assert f"host.key_changed:{host.pk}" not in keys()


def test_without_a_leader_nothing_is_done_and_above_ours_is_gone_on(led: Client, cluster: Cluster, roots: Path) -> None:
    local(cluster, roots / "a", cloud="1.0")
    term = LeaderLease.objects.get().term
    fence = roots / "a" / ".sysmgr" / "fence"
    fence.parent.mkdir()
    fence.write_text(f"{cluster.pk} {term + 5}\n")  # our database came back from a backup
    with pytest.raises(LostLeadership):
        sweeping.sweep()
    LeaderLease.objects.update(expires_at=None)
    lay_out(roots / "a", cloud="1.1")
    sweeping.sweep()
    assert version() == ("1.0", False)


@pytest.mark.parametrize("number", [1, 20])
def test_what_a_sweep_costs(led: Client, cluster: Cluster, roots: Path, number: int) -> None:
    for place in range(1, number + 1):
        local(cluster, roots / str(place), place, cloud="1.0")
    sweeping.sweep()
    with CaptureQueriesContext(connection) as queries:
        sweeping.sweep()
    # hosts · services · (time) · term · seen · living hosts · open alerts
    assert len(queries) <= 7, [query["sql"][:80] for query in queries]


def test_what_differs_for_a_moment_only_is_no_drift(
    led: Client, cluster: Cluster, roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local(cluster, roots / "a", cloud="1.0")
    current = roots / "a" / "cloud" / "current"
    current.unlink()
    honest, calls = asking.ask, [0]

    async def mending(*args: Any, **kwargs: Any) -> Any:
        said = await honest(*args, **kwargs)
        calls[0] += 1
        if not current.is_symlink():
            current.symlink_to("releases/1.0")
        return said

    monkeypatch.setattr(sweeping, "ask", mending)
    sweeping.sweep()
    assert calls == [2] and version() == ("1.0", False)
    assert not Event.objects.filter(kind="host.drift").exists()


def test_a_long_sweep_does_not_hide_a_silence_that_came_since(led: Client, cluster: Cluster, roots: Path) -> None:
    """A host that answered at its begin may have been silent to a run before its end."""
    local(cluster, roots / "a", cloud="1.0")
    (asked,) = sweeping._askable()
    begun = timezone.now() - timedelta(minutes=30)
    answer = Result(0, "service cloud 1.0\n")
    sweeping._react([asked], {asked.pk: answer}, begun)
    assert Host.objects.get().seen_time == begun
    later = begun + timedelta(minutes=1)
    Host.objects.update(seen_time=later)
    sweeping._react([asked], {asked.pk: answer}, begun)
    assert Host.objects.get().seen_time == later


def test_what_happened_once_is_told_until_somebody_has_seen_it(led: Client, cluster: Cluster) -> None:
    told = [f"{alerts.TAKEN_OVER}{cluster.pk}:192.0.2.1", f"{OUTDONE}{cluster.pk}"]
    for key in told:
        raise_alert(key, Trouble("it happened", "已发生"))
    sweeping.sweep()
    assert keys() == sorted(told)
    for alert in Alert.objects.all():
        acknowledge(alert.pk, None, SYSTEM)
    sweeping.sweep()
    assert keys() == []
