"""What tests at the API door share: a cluster with the demo's settings, users, clients with real tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db.backends.base.operations import BaseDatabaseOperations
from django.test import Client

from cluster.leader import Lease
from cluster.models import Cluster
from settings_app.policy import current_policy
from settings_app.services import create_defaults
from sysmgr.accounts import hashing, tokens
from sysmgr.accounts.models import Role, User
from sysmgr.audit import triggers
from sysmgr.audit.services import SYSTEM
from tests.contract.described import DescribedClient


@pytest.fixture(autouse=True, scope="session")
def audit_can_be_emptied() -> Iterator[None]:
    """Between tests that commit, the database is emptied; there alone the audit's triggers are lifted."""
    emptied = BaseDatabaseOperations.execute_sql_flush

    def lifting(self: Any, sql_list: Any) -> None:
        with triggers.lifted():
            emptied(self, sql_list)

    BaseDatabaseOperations.execute_sql_flush = lifting  # type: ignore[method-assign]
    yield
    BaseDatabaseOperations.execute_sql_flush = emptied  # type: ignore[method-assign]


@pytest.fixture(autouse=True, scope="session")
def hashes_do_not_step_back() -> Iterator[None]:
    """Beside a busy suite a hash that lets everybody go first takes seconds."""
    nicer, hashing._NICER = hashing._NICER, 0
    yield
    hashing._NICER = nicer


@pytest.fixture
def cluster(db: None) -> Cluster:
    """The default cluster, as the demo makes it."""
    made = Cluster.objects.create(name="demo", default=True, demo=True)
    create_defaults(made, SYSTEM, demo=True)
    current_policy()  # a worker keeps it from its first request on
    return made


def client_of(role: str) -> Client:
    """Return a client that carries a real token of a new user with `role`."""
    user = User.objects.create_user(f"a-{role}", None, role=role)
    clear, _ = tokens.issue(user, "127.0.0.1", 3600)
    return DescribedClient(headers={"Authorization": f"Bearer {clear}"})


@pytest.fixture
def api(cluster: Cluster) -> Client:
    """An administrator's client."""
    return client_of(Role.ADMINISTRATOR)


@pytest.fixture
def term(db: None) -> int:
    """The lead, taken by the test; its term."""
    lease = Lease("127.0.0.1")
    assert lease.acquire()
    return lease.term
