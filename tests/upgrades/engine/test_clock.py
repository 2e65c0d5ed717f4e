"""A manager whose clock is ten minutes off: its runs end as everybody's, and the next one goes on with them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone

from cluster.models import Cluster, LeaderLease
from upgrades.models import Backup

from .drive import ask, go, root, states
from .test_continue import stop_before

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=[-10, 10], ids=["late", "early"])
def off(request: pytest.FixtureRequest, term: int) -> Iterator[pytest.MonkeyPatch]:
    """Let this process's clock be off by so many minutes; `undo` sets it right."""
    LeaderLease.objects.update(expires_at=timezone.now() + timedelta(days=1))
    by, honest = timedelta(minutes=request.param), timezone.now

    def now() -> datetime:
        return honest() + by

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timezone, "now", now)
        yield patch


def test_a_run_ends_as_it_should(demo_cluster: Cluster, term: int, off: pytest.MonkeyPatch) -> None:
    run = ask(demo_cluster, "compute", soak_seconds=1)
    go(run, term)
    assert states(run) == ["committed"]
    backup = Backup.objects.get()
    assert (root() / "backups" / backup.package_name).is_file() and backup.update_time is not None


def test_another_one_goes_on_by_its_own_clock(
    demo_cluster: Cluster, term: int, off: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: Any = ask(demo_cluster, "storage")
    with monkeypatch.context() as patch:
        stop_before(patch, "verifying")
        with pytest.raises(DatabaseError):
            go(run, term)
    off.undo()  # the next manager's clock is right
    go(run, term)
    assert states(run) == ["committed"]
    assert Backup.objects.count() == 1
