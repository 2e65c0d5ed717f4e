"""A host that knows a higher term: a late leader stops, a restored database goes on above it, a lie changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.leader import Lease, LostLeadership
from cluster.models import Cluster, LeaderLease
from sysmgr.audit.models import AuditRow
from sysmgr.events.models import Alert, Event
from upgrades.engine.fence import FARTHEST
from upgrades.engine.journal import Journal
from upgrades.models import Backup, UpgradeItem

from .drive import IP, ask, content, go, root, states

pytestmark = pytest.mark.django_db(transaction=True)


def knows(cluster: Cluster, highest: int | str) -> Path:
    """Let the host know a term, as an earlier leader left it there."""
    fence = root() / ".sysmgr" / "fence"
    fence.parent.mkdir(exist_ok=True)
    fence.write_text(f"{cluster.pk} {highest}\n")
    return fence


def test_a_restored_database_goes_on_above_its_hosts(demo_cluster: Cluster, term: int) -> None:
    fence = knows(demo_cluster, term + 40)
    run = ask(demo_cluster, "compute")
    with pytest.raises(LostLeadership):
        go(run, term)
    lease = LeaderLease.objects.get()
    assert (lease.term, lease.holder) == (term + 40, None)
    assert Event.objects.filter(kind="leader.step_above", severity="warning").count() == 1
    assert AuditRow.objects.filter(action="leader.step_above").count() == 1
    next_one = Lease("127.0.0.1")
    assert next_one.acquire() and next_one.term == term + 41
    go(run, next_one.term)
    assert states(run) == ["committed"]
    assert fence.read_text() == f"{demo_cluster.pk} {term + 41}\n"


def test_a_late_leader_gives_nothing_up_that_is_another_ones(demo_cluster: Cluster, term: int) -> None:
    run = ask(demo_cluster, "compute")
    LeaderLease.objects.update(term=term + 1)  # somebody else leads, and has fenced the host
    knows(demo_cluster, term + 1)
    before = content(root())
    with pytest.raises(LostLeadership):
        go(run, term)
    assert LeaderLease.objects.get().term == term + 1
    assert not Event.objects.filter(kind="leader.step_above").exists()
    assert content(root()) == before


@pytest.mark.parametrize("highest", [10 * FARTHEST, "\u00b2", "9" * 5000, "-"])
def test_a_fence_without_sense_fails_its_host_only(demo_cluster: Cluster, term: int, highest: int | str) -> None:
    knows(demo_cluster, highest)
    run = ask(demo_cluster, "compute")
    go(run, term)
    assert states(run) == [UpgradeItem.State.FAILED]
    assert LeaderLease.objects.get().term == term


def test_hosts_that_outdo_again_and_again_are_an_alert(demo_cluster: Cluster, term: int) -> None:
    run = ask(demo_cluster, "compute")
    for _ in range(3):
        knows(demo_cluster, term + 5)
        with pytest.raises(LostLeadership):
            go(run, term)
        lease = Lease("127.0.0.1")
        assert lease.acquire()
        term = lease.term
    knows(demo_cluster, term + 5)
    go(run, term)
    assert states(run) == [UpgradeItem.State.FAILED]
    assert LeaderLease.objects.get().term == term
    assert Alert.objects.filter(key__startswith="leader.outdone:", close_time=None).exists()
    assert IP in Alert.objects.get(key__startswith="leader.outdone:").message


def test_a_late_leader_names_no_backup(demo_cluster: Cluster, term: int) -> None:
    """It would write over what the new one has noted of the same backup since."""
    go(ask(demo_cluster, "compute"), term)
    backup = Backup.objects.select_related("item__host").get()
    assert backup.item is not None
    stale = Journal(term - 1)
    with pytest.raises(LostLeadership):
        stale.rename(backup)
    with pytest.raises(LostLeadership):
        stale.claims([backup.item])
    kept = Backup.objects.get()
    assert (kept.package_name, kept.sha256 != "") == (backup.package_name, True)
