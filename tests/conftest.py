"""What tests at the API door share: a cluster with the demo's settings, users, clients with real tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.hashers import ScryptPasswordHasher
from django.core.management.commands import flush
from django.db import connections, transaction
from django.db.backends.signals import connection_created
from django.db.models import Model
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
from tests.sampling import alike, repeated

SERVERS = Path(__file__).parent / "server"


def pytest_addoption(parser: pytest.Parser) -> None:
    """What knows no database is proved once: the run on PostgreSQL leaves it out."""
    parser.addoption("--only-db", action="store_true", help="run only what uses a database, by itself or in a server")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what another case stands for, and with --only-db what asks for no database or is alike on all."""
    named = any("[" in word for word in config.args)  # who names one case means it
    left_out = [] if named else repeated(items)
    if config.getoption("--only-db"):
        left_out += [item for item in items if not _uses_database(item)] + alike(items)
    if left_out:
        gone = set(left_out)
        config.hook.pytest_deselected(items=[item for item in items if item in gone])
        items[:] = [item for item in items if item not in gone]


def _uses_database(item: pytest.Item) -> bool:
    asked = {"db", "transactional_db"}.intersection(getattr(item, "fixturenames", ()))
    return bool(asked) or item.get_closest_marker("django_db") is not None or item.path.is_relative_to(SERVERS)


KEPT = {"django_migrations", "django_content_type", "auth_permission"}


@pytest.fixture(autouse=True, scope="session")
def emptied_fast() -> Iterator[None]:
    """Between tests that commit, rows go and nothing is set up anew: what a migration makes stays.

    There alone the audit's triggers do not hold. PostgreSQL removes few rows far faster than it truncates tables.
    """

    def empty(self: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        tables = sorted({*connection.introspection.django_table_names(only_existing=True)} - KEPT)
        deletes = [f"DELETE FROM {connection.ops.quote_name(table)}" for table in tables]
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL session_replication_role = replica;" + ";".join(deletes))
                return
            with triggers.lifted():
                for delete in deletes:
                    cursor.execute(delete)

    with patch.object(flush.Command, "handle", empty):
        yield


@pytest.fixture(autouse=True, scope="session")
def sqlite_does_not_sync() -> Iterator[None]:
    """The tests' own database need not outlive a power cut; the products that tests start have their own."""

    def relax(connection: Any, **kwargs: Any) -> None:
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA synchronous=OFF")

    connection_created.connect(relax)
    yield
    connection_created.disconnect(relax)


@pytest.fixture(autouse=True, scope="session")
def hashes_do_not_step_back() -> Iterator[None]:
    """Beside a busy suite a hash that lets everybody go first takes seconds."""
    nicer, hashing._NICER = hashing._NICER, 0
    yield
    hashing._NICER = nicer


@pytest.fixture(autouse=True, scope="session")
def hashes_are_cheap() -> Iterator[None]:
    """A third of the suite's time went into scrypt; `dear_hashes` is for tests that are about what one costs."""
    with patch.object(ScryptPasswordHasher, "work_factor", 2):
        yield


@pytest.fixture
def dear_hashes() -> Iterator[None]:
    """Hashes that cost far more than all else of a log-in; a quarter of the product's, so that 200 fit into a test."""
    with patch.object(ScryptPasswordHasher, "work_factor", 2**12):
        yield


@pytest.fixture
def cluster(db: None) -> Cluster:
    """The default cluster, as the demo makes it."""
    made = Cluster.objects.create(name="demo", default=True, demo=True)
    with patch.object(Model, "validate_constraints"):  # a query for each; the database checks them all the same
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
