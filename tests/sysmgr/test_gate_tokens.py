"""Log-ins at the gate: what ends them, what a password that must be changed leaves open, and what passes by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone

from cluster.models import Cluster
from settings_app.models import LoginPolicy, PendingChange, SettingRevision
from settings_app.services import update_settings
from sysmgr.accounts import tokens
from sysmgr.accounts.models import ApiKey, Role, Token, User
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from tests.conftest import client_of
from tests.pages import enter

MEMBERS, CHANGE, LOGOUT = "/v1/system/member/list", "/v1/authentication/password/change", "/v1/authentication/logout"


def post(client: Client, path: str, body: str = "{}") -> int:
    return client.post(path, body, content_type="application/json").status_code


def scode(client: Client, path: str = MEMBERS) -> int:
    code: int = client.get(path).json()["scode"]
    return code


@pytest.mark.parametrize(
    "end",
    [
        lambda token: Token.objects.update(
            create_time=timezone.now() - timedelta(hours=2), expire_time=timezone.now() - timedelta(seconds=1)
        ),
        lambda token: Token.objects.all().delete(),
        lambda token: User.objects.update(is_active=False),
        lambda token: User.objects.all().delete(),
    ],
    ids=["expired", "ended", "disabled", "removed"],
)
def test_what_ended_opens_nothing_and_is_audited(cluster: Cluster, end: Callable[[Token], Any]) -> None:
    client = client_of(Role.ADMINISTRATOR)
    assert scode(client) == 0
    end(Token.objects.get())
    for path in (MEMBERS, "/v1/openapi.json", "/v1/no/such"):
        assert (client.get(path).status_code, scode(client, path)) == (401, 1002)
    assert client.get("/metrics").status_code == 401
    assert AuditRow.objects.filter(action="token", result="refused", object="expired, ended or unknown").exists()


def test_a_shorter_policy_binds_tokens_that_live_already(cluster: Cluster) -> None:
    """Even where nobody shortened the rows: another replica's token may be made between the two."""
    client = client_of(Role.ADMINISTRATOR)
    Token.objects.update(create_time=F("create_time") - timedelta(seconds=120))
    assert scode(client) == 0
    LoginPolicy.objects.update(token_expire_second=119)
    assert scode(client) == 0  # this worker knows the revision that it read
    newest = SettingRevision.objects.get(cluster=cluster)
    SettingRevision.objects.create(cluster=cluster, number=newest.number + 1, snapshot=newest.snapshot)
    assert scode(client) == 1002


def force_change(**fields: Any) -> None:
    User.objects.update(**fields)


def test_whoever_must_change_the_password_can_do_nothing_else(cluster: Cluster) -> None:
    client = client_of(Role.ADMINISTRATOR)
    force_change(must_change_password=True)
    for path in (MEMBERS, "/v1/openapi.json", "/v1/docs", "/v1/apikey/list", "/v1/authentication/session/list"):
        assert scode(client, path) == 1061, path
    assert post(client, "/v1/system/setting/update") == 403
    metrics = client.get("/metrics")
    assert metrics.status_code == 403 and "password" in metrics.content.decode()
    assert post(client, CHANGE) == 400  # it is let in: what is wrong is the body
    assert AuditRow.objects.filter(action="password.must_change", object="GET /v1/system/member/list").exists()
    assert post(client, LOGOUT) == 200
    assert scode(client) == 1002


def test_a_program_goes_on_though_its_owner_must_change_the_password(cluster: Cluster) -> None:
    user = User.objects.create_user("anna", None, role=Role.OPERATOR, must_change_password=True)
    key = "smk_of_a_program"
    ApiKey.objects.create(user=user, role=user.role, digest=tokens.digest(key), create_time=timezone.now())
    assert scode(Client(headers={"ApiKey": key})) == 0


@pytest.mark.parametrize("path", ["/metrics", "/v1/docs", "/v1/openapi.json"])
def test_a_session_opens_what_takes_one_until_it_ends_or_is_restricted(cluster: Cluster, path: str) -> None:
    client = enter(Role.AUDITOR)
    assert client.get(path).status_code == 200
    force_change(must_change_password=True)
    assert client.get(path).status_code == 401
    force_change(must_change_password=False)
    assert client.get(path).status_code == 200
    Token.objects.filter(door="admin").delete()
    assert client.get(path).status_code == 401
    assert Client().get(path).status_code == 401


def expire_passwords(cluster: Cluster, force: bool) -> None:
    values = {"password_max_expired_age": 30, "password_expire_force_modify": force, "password_expired_warn_age": 0}
    update_settings(cluster, {"password_complexity_policy": values}, SYSTEM)


@pytest.mark.parametrize("door", ["api", "admin"])
def test_an_expired_password_binds_at_the_next_request(cluster: Cluster, door: str) -> None:
    client = client_of(Role.ADMINISTRATOR) if door == "api" else enter(Role.ADMINISTRATOR)
    path = MEMBERS if door == "api" else "/admin/"

    def open_to_all() -> bool:
        return client.get(path).status_code == 200

    force_change(password_change_time=timezone.now() - timedelta(days=30, seconds=1))
    assert open_to_all()
    expire_passwords(cluster, force=False)
    assert open_to_all()
    expire_passwords(cluster, force=True)
    assert not open_to_all()
    force_change(password_change_time=timezone.now() - timedelta(days=29))
    assert open_to_all()


@pytest.mark.parametrize("door", ["api", "login page", "metrics"])
def test_what_nobody_confirmed_is_taken_back_before_it_is_obeyed(cluster: Cluster, door: str) -> None:
    ranges = {"enabled": True, "whitelist": True, "ip_ranges": {"ranges": []}}
    changes = {"access_control_policy": {"ip_access_control_policy": ranges}}
    known = client_of(Role.AUDITOR)
    doors = {"api": (known, MEMBERS), "login page": (Client(), "/admin/login/"), "metrics": (known, "/metrics")}
    client, path = doors[door]
    update_settings(cluster, changes, SYSTEM, confirm_within_seconds=60)
    assert client.get(path).status_code == 403
    PendingChange.objects.update(deadline=F("deadline") - timedelta(seconds=61))
    assert client.get(path).status_code == 200
    assert not PendingChange.objects.exists()


def test_a_form_of_another_site_is_refused_and_audited(cluster: Cluster) -> None:
    stranger = Client(enforce_csrf_checks=True, REMOTE_ADDR="192.0.2.7")
    assert stranger.post("/admin/login/", {"username": "anna", "password": "x"}).status_code == 403
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_user("bert", None, role=Role.ADMINISTRATOR))
    answer = client.post("/admin/logout/", headers={"Origin": "https://evil.example.com"})
    assert answer.status_code == 403
    rows = AuditRow.objects.filter(action="cross_site", result="refused").order_by("seq")
    assert list(rows.values_list("user_name", "door", "source", "object")) == [
        ("", "admin", "192.0.2.7", "POST /admin/login/"),
        ("bert", "admin", "127.0.0.1", "POST /admin/logout/"),
    ]
