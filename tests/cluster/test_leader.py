"""The lease: one leader at a time, a term that only grows, and nobody acts who can't be sure."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from cluster.leader import Lease, LostLeadership, ManagerRunning
from cluster.models import LeaderLease, Member
from tests.together import at_once

MEMBERS = "/v1/system/member/list"


@pytest.mark.django_db(transaction=True)
def test_of_many_that_try_at_once_one_leads() -> None:
    leases = [Lease(f"10.0.0.{n}") for n in range(8)]
    won = at_once([lease.acquire for lease in leases])
    assert sorted(won) == [False] * 7 + [True]
    assert LeaderLease.objects.get().term == 1


@pytest.mark.django_db
def test_an_expired_lease_goes_to_the_next_with_a_higher_term() -> None:
    first, second = Lease("10.0.0.1"), Lease("10.0.0.2")
    assert first.acquire()
    assert not second.acquire()
    LeaderLease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert second.acquire()
    assert (first.term, second.term) == (1, 2)
    with pytest.raises(LostLeadership):
        first.renew()
    assert not first.acting
    second.renew()


@pytest.mark.django_db
def test_a_holder_that_was_late_does_not_renew_although_nobody_took_over() -> None:
    lease = Lease("10.0.0.1")
    lease.acquire()
    LeaderLease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(LostLeadership):
        lease.renew()


@pytest.mark.django_db
def test_a_holder_stops_acting_before_anybody_else_can_start(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("cluster.leader.time.monotonic", lambda: now)
    lease = Lease("10.0.0.1", ttl_seconds=15)
    lease.acquire()
    now += 9.9
    assert lease.acting
    now += 0.2
    assert not lease.acting


@pytest.mark.django_db
def test_a_lease_that_is_given_back_is_free_at_once() -> None:
    first, second = Lease("10.0.0.1"), Lease("10.0.0.2")
    first.acquire()
    first.release()
    assert second.acquire() and second.term == 2
    first.release()  # once more, too late: it is not ours any more
    assert LeaderLease.objects.get().holder == second.holder


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite has exactly one manager")
def test_on_sqlite_the_file_lock_keeps_a_second_manager_out() -> None:
    first, second = Lease("10.0.0.1"), Lease("10.0.0.2")
    first.lock_sqlite()
    with pytest.raises(ManagerRunning):
        second.lock_sqlite()
    first.acquire()
    assert first._file is not None
    first._file.close()  # as when the process dies
    second.lock_sqlite()
    assert second.acquire() and second.term == 2  # without waiting for the lease to expire
    assert second._file is not None
    second._file.close()


@pytest.mark.django_db
def test_the_member_list_shows_the_living_and_who_leads(api: Client) -> None:
    nobody = api.get(MEMBERS).json()["data"]
    assert nobody == {"leader": "", "candidates": [], "ready": False, "alias_source": ""}
    leases = [Lease(f"10.0.0.{n}") for n in (2, 1, 3)]
    for lease in leases:
        lease.heartbeat()
    leases[0].acquire()
    Member.objects.create(address="10.0.0.9", version="1", heartbeat=timezone.now() - timedelta(seconds=60))
    shown = api.get(MEMBERS).json()["data"]
    assert (shown["leader"], shown["ready"]) == ("10.0.0.2", True)
    assert shown["candidates"] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    leases[0].leave()
    leases[0].release()
    gone = api.get(MEMBERS).json()["data"]
    assert (gone["leader"], gone["candidates"], gone["ready"]) == ("", ["10.0.0.1", "10.0.0.3"], False)


@pytest.mark.django_db
def test_health_and_readiness() -> None:
    client = Client()
    assert client.get("/healthz").status_code == 200
    waiting = client.get("/readyz")
    assert (waiting.status_code, waiting.json()["missing"]) == (503, "leader")
    Lease("10.0.0.1").acquire()
    assert client.get("/readyz").status_code == 200


def test_health_needs_no_database() -> None:
    """pytest-django refuses the database to tests that did not ask for it."""
    assert Client().get("/healthz").status_code == 200
