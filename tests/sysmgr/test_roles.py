"""Every endpoint against every role, from a table written after contract §3; a new endpoint without a line fails."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from cluster.models import Cluster
from sysmgr.accounts import tokens
from sysmgr.accounts.models import ApiKey, Role, User
from sysmgr.audit.models import AuditRow
from tests.conftest import client_of

ADMINISTRATOR, OPERATOR, AUDITOR = Role.ADMINISTRATOR, Role.OPERATOR, Role.AUDITOR
NOBODY_ELSE: frozenset[str] = frozenset({ADMINISTRATOR})
WORKERS = frozenset({ADMINISTRATOR, OPERATOR})
READERS = frozenset({ADMINISTRATOR, AUDITOR})
ALL = frozenset({ADMINISTRATOR, OPERATOR, AUDITOR})
SYSTEM = {
    READERS: "audit/export audit/list audit/verify user/list",
    ALL: """
        access_control/explain alert/list cluster/inspect cluster/list compute/version/inspect compute/version/list
        host/inspect host/list mail/outbox/inspect mail/outbox/list mail_setting/inspect member/list setting/explain
        setting/inspect
        setting/pending setting/revision/inspect setting/revision/list upgrade/event/list upgrade/inspect
        upgrade/item/inspect upgrade/list upgrade_package/current/inspect upgrade_package/inspect upgrade_package/list
        upgrade_package/trust/list
        upgrade_package/upload/list version
        """,
    WORKERS: """
        alert/acknowledge compute/version/backup compute/version/remove compute/version/restore compute/version/upgrade
        compute/version/verify host/adopt host/create host/import host/probe host/remove host/repin host/update
        upgrade/cancel upgrade/pause upgrade/plan
        upgrade/resume upgrade/retry upgrade/rollback upgrade/skip upgrade/waive upgrade_package/reinstate
        upgrade_package/remove upgrade_package/tus upgrade_package/upload upgrade_package/verify
        upgrade_package/withdraw
        """,
    NOBODY_ELSE: """
        cluster/create cluster/remove cluster/update front_style/login_image/upload mail/outbox/remove
        mail/outbox/retry mail_setting/test mail_setting/update setting/confirm setting/preview setting/update
        setting/revision/restore support_bundle/create upgrade_package/trust/add upgrade_package/trust/remove
        user/create user/remove user/update
        """,
}
# Everybody's own; a key for programs has no business there but to see which keys there are.
_OWN = """
    apikey/create apikey/list apikey/remove authentication/logout authentication/otp/confirm authentication/otp/enroll
    authentication/otp/remove authentication/password/change authentication/session/end authentication/session/list
    """
OWN = {f"/v1/{path}" for path in _OWN.split()}
TABLE = {f"/v1/system/{path}": roles for roles, paths in SYSTEM.items() for path in paths.split()}
TABLE |= dict.fromkeys(OWN, ALL)
# Open without a token, for a token or an admin session, or below an address that is in the table.
APART = {
    "/v1/authentication/login",
    "/v1/openapi.json",
    "/v1/docs",
    "/v1/system/upgrade_package/tus/<uuid:upload_uuid>",
}


def walk(patterns: list[URLPattern | URLResolver], before: str = "/") -> dict[str, str]:
    """Return {address: method} of every address below `patterns`."""
    found: dict[str, str] = {}
    for pattern in patterns:
        address = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found |= walk(pattern.url_patterns, address)
        else:
            actions = getattr(pattern.callback, "actions", None) or {"get": ""}
            found[address] = "GET" if "get" in actions else "POST"
    return found


ENDPOINTS = {address: how for address, how in walk(get_resolver().url_patterns).items() if address.startswith("/v1/")}


def ask(client: Client, address: str) -> int:
    """Call it with a body that nothing takes, so that nothing happens; return the status."""
    if ENDPOINTS[address] == "GET":
        return client.get(address).status_code
    body = json.dumps({"unknown_key_of_the_test": 1})
    return client.post(address, body, content_type="application/json").status_code


def test_the_table_knows_every_endpoint() -> None:
    assert set(ENDPOINTS) - APART == set(TABLE)


@pytest.mark.parametrize("role", Role.values)
def test_a_token_opens_what_its_role_may(cluster: Cluster, role: str) -> None:
    user = User.objects.create_user(f"a-{role}", None, role=role)
    found, refused = {}, 0
    for address in TABLE:
        clear, _row = tokens.issue(user, "127.0.0.1", 3600)
        status = ask(Client(headers={"Authorization": f"Bearer {clear}"}), address)
        assert status != 401, address
        found[address] = status != 403
        refused += status == 403
    assert {address for address, opens in found.items() if opens} == {a for a, roles in TABLE.items() if role in roles}
    told = AuditRow.objects.filter(action="call", result="refused", user_name=user.user_name)
    assert told.count() == refused


@pytest.mark.parametrize("role", Role.values)
@pytest.mark.parametrize("owner", Role.values)
def test_a_key_opens_what_both_its_role_and_its_owners_may(cluster: Cluster, owner: str, role: str) -> None:
    user = User.objects.create_user("anna", None, role=owner)
    digest, now = tokens.digest("smk_test"), timezone.now()
    ApiKey.objects.create(user=user, digest=digest, role=role, create_time=now, last_used_time=now)
    client = Client(headers={"ApiKey": "smk_test"})
    opened = {address for address in TABLE if ask(client, address) != 403}
    expected = {address for address, roles in TABLE.items() if owner in roles and role in roles}
    assert opened == expected - (OWN - {"/v1/apikey/list"})


@pytest.mark.parametrize("method", ["get", "head", "patch", "delete", "options"])
@pytest.mark.parametrize("role", Role.values)
def test_an_upload_that_goes_on_is_a_workers(cluster: Cluster, role: str, method: str) -> None:
    """The one address with a number in it: reading it is everybody's, going on and giving up are not."""
    address = f"/v1/system/upgrade_package/tus/{cluster.pk}"
    answer = getattr(client_of(role), method)(address, headers={"Tus-Resumable": "1.0.0"})
    reading = method in ("get", "head", "options")
    assert (answer.status_code != 403) == (reading or role in WORKERS) and answer.status_code != 401


def test_without_a_token_nothing_opens(cluster: Cluster) -> None:
    statuses = {address: ask(Client(), address) for address in {*TABLE, "/v1/openapi.json", "/v1/docs"}}
    assert {address: status for address, status in statuses.items() if status != 401} == {}
