"""The gate's one SQL, built once: it finds what the ORM finds, and outlives the connection that it ran on."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cluster.models import Cluster
from settings_app.models import SettingRevision
from sysmgr.accounts import tokens
from sysmgr.accounts.models import Role, Token, User
from sysmgr.api.compiled import Compiled
from sysmgr.api.gate import _fetch
from tests.conftest import client_of


def test_it_finds_token_user_and_policy_as_the_orm_does(cluster: Cluster) -> None:
    other = Cluster.objects.create(name="other")
    user = User.objects.create_user("anna", None, role=Role.OPERATOR)
    clear, token = tokens.issue(user, "127.0.0.1", 3600)
    newest = SettingRevision.objects.get(cluster=cluster)
    for queried, expected in (
        (None, [cluster.pk, cluster.pk, newest.key, 1]),
        (cluster.pk, [cluster.pk, cluster.pk, newest.key, 1]),
        (other.pk, [cluster.pk, other.pk, None, None]),
        (uuid.uuid4(), [cluster.pk, None, None, None]),
    ):
        with CaptureQueriesContext(connection) as queries:
            row = _fetch(clear, queried)
        assert row is not None and len(queries) == 1
        assert row[-4:] == expected
        stored = Token.objects.filter(pk=token.pk).values_list(*[f.attname for f in Token._meta.concrete_fields])[0]
        assert tuple(row[: len(stored)]) == stored
        owner = User.objects.filter(pk=user.pk).values_list(*[f.attname for f in User._meta.concrete_fields])[0]
        assert tuple(row[len(stored) : -4]) == owner
    assert _fetch("no such token", None) is None


def test_each_run_takes_its_own_values(db: None) -> None:
    users = get_user_model().objects
    names = Compiled(lambda name: users.filter(user_name=name).values_list("user_name", "is_active"), "a mark")
    for name in ("anna", "bert", "%s", "a'b"):
        users.create_user(name, None)
        assert names.first(name) == [name, True]
    assert names.first("nobody") is None


@pytest.mark.django_db(transaction=True)
def test_a_kept_connection_that_broke_meanwhile_costs_no_answer(cluster: Cluster) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server that could end a connection")
    client = client_of("auditor")
    assert client.get("/v1/system/version").status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    rival = connection.copy()
    with rival.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    rival.close()
    assert client.get("/v1/system/version").status_code == 200
