"""Group commit: many moves in one transaction, each guarded, and nobody waits for company."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from cluster.leader import LostLeadership
from cluster.models import Cluster, Host, HostService
from sysmgr.events.models import Event
from tests.rows import host, package
from upgrades.engine.journal import Journal, Move
from upgrades.engine.together import Together
from upgrades.errors import HostUnreachable
from upgrades.models import Backup, UpgradeItem, UpgradePackage, UpgradeRun

pytestmark = pytest.mark.django_db(transaction=True)
State = UpgradeItem.State
Result = TypeVar("Result")


def items(cluster: Cluster, count: int) -> list[UpgradeItem]:
    """Make a run of that many hosts, each with an item that is verifying."""
    brings = UpgradePackage.objects.filter(cluster=cluster, version="9.9").first() or package(cluster, "9.9")
    run = UpgradeRun.objects.create(cluster=cluster, author="admin")
    hosts: list[Host] = []
    for place in range(count):
        hosts.append(Host.objects.filter(host_ip=f"192.0.2.{place}").first() or host(cluster, place))
    return [
        UpgradeItem.objects.create(
            run=run,
            ordinal=place,
            host=on,
            host_ip=on.host_ip,
            service_type="cloud",
            package=brings,
            from_version="1.0",
            to_version="9.9",
            state=State.VERIFYING,
        )
        for place, on in enumerate(hosts)
    ]


@pytest.fixture
def cluster() -> Cluster:
    return Cluster.objects.create(name="many")


def finished(work: Coroutine[Any, Any, Result]) -> Result:
    """Run it; the thread that wrote gives its database connection back."""

    async def done() -> Result:
        try:
            return await work
        finally:
            await sync_to_async(connections.close_all)()

    return asyncio.run(done())


def queries(journal: Journal, moves: list[Move]) -> int:
    with CaptureQueriesContext(
        connection,
    ) as told:
        journal.items(moves)
    return len(told)


def test_the_number_of_queries_grows_with_the_kinds_of_moves_only(cluster: Cluster, term: int) -> None:
    few, many = items(cluster, 1), items(cluster, 60)
    journal = Journal(term)
    counted = [queries(journal, [Move(item, State.COMMITTED) for item in some]) for some in (few, many)]
    assert counted[0] == counted[1]
    assert set(UpgradeItem.objects.values_list("state", flat=True)) == {State.COMMITTED}
    assert set(HostService.objects.filter(host__cluster=cluster).values_list("version", flat=True)) == {"9.9"}
    assert Event.objects.filter(kind="upgrade.item.committed").count() == 61


def test_one_that_somebody_else_moved_takes_the_whole_group_back(cluster: Cluster, term: int) -> None:
    some = items(cluster, 3)
    UpgradeItem.objects.filter(pk=some[1].pk).update(state=State.ROLLED_BACK)
    with pytest.raises(LostLeadership):
        Journal(term).items([Move(item, State.COMMITTED) for item in some])
    assert [item.state for item in some] == [State.VERIFYING] * 3  # what we hold in memory is as it was
    assert not UpgradeItem.objects.filter(state=State.COMMITTED).exists()
    assert not Event.objects.filter(kind="upgrade.item.committed").exists()


def test_another_term_writes_nothing(cluster: Cluster, term: int) -> None:
    some = items(cluster, 2)
    with pytest.raises(LostLeadership):
        Journal(term - 1).items([Move(item, State.COMMITTED) for item in some])
    assert not UpgradeItem.objects.filter(state=State.COMMITTED).exists()


def test_those_that_wait_are_committed_together(cluster: Cluster, term: int, monkeypatch: pytest.MonkeyPatch) -> None:
    some = items(cluster, 20)
    groups: list[int] = []
    honest = Journal.items

    def counting(self: Journal, moves: list[Move]) -> list[Backup | None]:
        groups.append(len(moves))
        return honest(self, moves)

    monkeypatch.setattr(Journal, "items", counting)

    async def all_at_once() -> None:
        together = Together(Journal(term))
        why = HostUnreachable(host="192.0.2.3", reason="no route")
        await asyncio.gather(
            *(together.move(item, State.ROLLING_BACK, why if item.ordinal == 3 else None) for item in some)
        )

    finished(all_at_once())
    assert sum(groups) == 20 and len(groups) <= 2
    assert set(UpgradeItem.objects.values_list("state", flat=True)) == {State.ROLLING_BACK}
    assert list(UpgradeItem.objects.exclude(scode=0).values_list("ordinal", flat=True)) == [3]


def test_a_group_that_fails_tells_everybody_in_it(cluster: Cluster, term: int) -> None:
    some = items(cluster, 4)

    async def all_at_once() -> list[Any]:
        together = Together(Journal(term + 1))
        return await asyncio.gather(*(together.move(item, State.COMMITTED) for item in some), return_exceptions=True)

    assert [type(told) for told in finished(all_at_once())] == [LostLeadership] * 4
