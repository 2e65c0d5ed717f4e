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
from sysmgr.api.credentials import find
from tests.conftest import client_of


def test_it_finds_token_user_and_policy_as_the_orm_does(cluster: Cluster) -> None:
    other = Cluster.objects.create(name="other")
    user = User.objects.create_user("anna", None, role=Role.OPERATOR)
    clear, token = tokens.issue(user, "127.0.0.1", 3600)
    newest = SettingRevision.objects.get(cluster=cluster)
    find("no such token", None)  # the policy is in the cache from here on
    for queried, expected in (
        (None, [cluster.pk, newest.key, 1]),
        (cluster.pk, [cluster.pk, newest.key, 1]),
        (other.pk, [other.pk, None, None]),
        (uuid.uuid4(), [None, None, None]),
    ):
        with CaptureQueriesContext(connection) as queries:
            found, doors = find(clear, queried)
        assert found is not None and len(queries) == 1
        assert (doors.policy.cluster_uuid, doors.policy.key, doors.pending) == (cluster.pk, newest.key, None)
        assert [doors.cluster_uuid, doors.revision_key, doors.revision_number] == expected
        for row, stored in ((found.row, Token.objects.get(pk=token.pk)), (found.user, User.objects.get(pk=user.pk))):
            assert {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields} == {
                f.attname: getattr(stored, f.attname) for f in stored._meta.concrete_fields
            }
    assert find("no such token", None)[0] is None
    assert find("smk_no such key", None)[0] is None


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
