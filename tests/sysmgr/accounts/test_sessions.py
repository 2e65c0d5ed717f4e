"""Log-ins under way: they expire by policy at both doors, are listed and ended, and one that ended opens nothing."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db.models import F
from django.test import Client
from django.utils import timezone

from cluster.models import Cluster
from cluster.services import create_cluster, update_cluster
from settings_app.models import LoginPolicy
from sysmgr.accounts import tokens
from sysmgr.accounts.models import Role, Token, User
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from tests.contract.described import DescribedClient

from .calls import PASSWORD, enter_admin, enter_api, person, policy

LIST, END = "/v1/authentication/session/list", "/v1/authentication/session/end"


def bearer(clear: str) -> Client:
    return DescribedClient(headers={"Authorization": f"Bearer {clear}"})


def api(name: str = "anna") -> Client:
    return bearer(enter_api(name=name).json()["data"]["token"])


@pytest.fixture(params=["api", "admin"])
def client(request: pytest.FixtureRequest, cluster: Cluster) -> Client:
    """Somebody who has logged in at one of the doors."""
    person()
    policy(cluster, token_expire_second=3600)
    return api() if request.param == "api" else enter_admin()


def inside(client: Client) -> bool:
    if client.cookies.get("sessionid"):
        return client.get("/admin/").status_code == 200
    return client.get("/v1/system/version").status_code == 200


def grow_older(seconds: int) -> None:
    ago = timedelta(seconds=seconds)
    Token.objects.update(create_time=F("create_time") - ago, expire_time=F("expire_time") - ago)


def test_it_ends_by_the_policy_however_much_it_is_used(client: Client) -> None:
    grow_older(3590)
    assert inside(client)
    grow_older(11)
    assert not inside(client)


def test_a_shorter_policy_shortens_what_lives_and_a_longer_one_revives_nobody(cluster: Cluster, client: Client) -> None:
    grow_older(120)
    policy(cluster, token_expire_second=130)
    assert inside(client)
    policy(cluster, token_expire_second=100)
    assert not inside(client)
    policy(cluster, token_expire_second=3600)
    assert not inside(client)


def test_a_token_that_was_promised_more_ends_by_the_policy_all_the_same(cluster: Cluster, client: Client) -> None:
    Token.objects.update(expire_time=F("create_time") + timedelta(days=300))
    assert inside(client)
    grow_older(3601)
    assert not inside(client)


def test_another_default_cluster_binds_too(cluster: Cluster, client: Client) -> None:
    other = create_cluster("other", SYSTEM)
    update_cluster(cluster, SYSTEM, default=True)
    policy(other, token_expire_second=60)
    grow_older(100)
    assert inside(client)
    update_cluster(other, SYSTEM, default=True)
    assert not inside(client)


def test_who_is_switched_off_or_removed_is_out_at_once(client: Client) -> None:
    User.objects.update(is_active=False)
    assert not inside(client)
    User.objects.update(is_active=True)


def test_a_removed_users_session_opens_nothing(client: Client) -> None:
    User.objects.all().delete()
    assert not inside(client)


def test_one_is_listed_without_what_opens_it(cluster: Cluster) -> None:
    person()
    person("bert", Role.OPERATOR)
    first, second = api(), api()
    enter_admin()
    api("bert")
    listed = first.get(LIST).json()["data"]
    assert listed["total_count"] == 3
    assert {item["door"] for item in listed["list"]} == {"api", "admin"}
    assert [item["current"] for item in listed["list"]].count(True) == 1
    assert {item["user_name"] for item in listed["list"]} == {"anna"}
    stored = {token.digest for token in Token.objects.all()}
    assert not [digest for digest in stored if digest in json.dumps(listed)]
    assert first.get(LIST, {"user_uuid": "all"}).json()["data"]["total_count"] == 4
    bert = User.objects.get(user_name="bert")
    assert second.get(LIST, {"user_uuid": str(bert.pk)}).json()["data"]["total_count"] == 1
    assert api("bert").get(LIST, {"user_uuid": "all"}).status_code == 403


def end(client: Client, session: Any) -> int:
    return client.post(END, json.dumps({"session_uuid": str(session)}), content_type="application/json").status_code


def test_owners_end_their_own_and_administrators_everybodys(cluster: Cluster) -> None:
    person()
    person("bert", Role.OPERATOR)
    admin, bert = api(), api("bert")
    of_admin, of_bert = (Token.objects.get(user__user_name=name) for name in ("anna", "bert"))
    assert end(bert, of_admin.pk) == 404 and inside(admin)
    assert end(admin, of_bert.pk) == 200 and not inside(bert)
    assert end(admin, of_bert.pk) == 404
    assert end(admin, of_admin.pk) == 200 and not inside(admin)
    assert AuditRow.objects.filter(action="session.end").exclude(result="refused").count() == 2


def test_logging_out_ends_one_or_all(cluster: Cluster) -> None:
    person()
    first, second, third = api(), api(), enter_admin()
    first.post("/v1/authentication/logout", "{}", content_type="application/json")
    assert (inside(first), inside(second), inside(third)) == (False, True, True)
    second.post("/v1/authentication/logout", '{"all": true}', content_type="application/json")
    assert (inside(second), inside(third)) == (False, False)


def test_an_admin_session_that_was_kept_opens_nothing_after_log_out(cluster: Cluster) -> None:
    person()
    client = enter_admin()
    kept, stored = client.cookies["sessionid"].value, Session.objects.get()
    client.post("/admin/logout/")
    Session.objects.create(
        session_key=kept, session_data=stored.session_data, expire_date=timezone.now() + timedelta(hours=1)
    )
    thief = Client()
    thief.cookies["sessionid"] = kept
    assert thief.get("/admin/").status_code == 302


def test_the_session_that_was_there_before_the_log_in_is_not_the_one_after(cluster: Cluster) -> None:
    person()
    client = Client()
    client.get("/admin/login/")
    session = client.session
    session.save()
    client.cookies["sessionid"] = session.session_key or ""
    client.post("/admin/login/?next=/admin/", {"username": "anna", "password": PASSWORD})
    assert client.cookies["sessionid"].value != session.session_key
    fixed = Client()
    fixed.cookies["sessionid"] = session.session_key or ""
    assert fixed.get("/admin/").status_code == 302


def test_a_form_of_another_site_changes_nothing(cluster: Cluster) -> None:
    person()
    client = enter_admin()
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    session = str(Token.objects.get().pk)
    assert strict.post("/admin/accounts/token/mine/", {"session": session}).status_code == 403
    assert strict.post("/admin/login/", {"username": "anna", "password": PASSWORD}).status_code == 403
    assert Token.objects.count() == 1


def test_ones_own_log_ins_are_on_a_page_and_are_ended_there(cluster: Cluster) -> None:
    person("bert", Role.OPERATOR)
    client, other = enter_admin(name="bert"), api("bert")
    page = client.get("/admin/accounts/token/mine/")
    assert page.status_code == 200 and page.content.decode().count('name="session"') == 2
    wanted = Token.objects.get(door="api")
    assert client.post("/admin/accounts/token/mine/", {"session": str(wanted.pk)}).status_code == 302
    assert not inside(other) and inside(client)
    assert client.post("/admin/accounts/token/mine/", {"session": "x"}).status_code == 302
    assert client.get("/admin/accounts/token/").status_code == 403


def test_a_change_that_would_end_its_authors_log_in_is_asked_back(cluster: Cluster) -> None:
    person()
    client = api()
    grow_older(600)

    def update(**more: Any) -> Any:
        body = json.dumps({"login_policy": {"token_expire_second": 300}, **more})
        return client.post("/v1/system/setting/update", body, content_type="application/json")

    refused = update()
    assert refused.status_code == 409 and "login_policy.token_expire_second" in refused.json()["desc"]
    assert LoginPolicy.objects.get(cluster=cluster).token_expire_second != 300
    body = json.dumps({"login_policy": {"token_expire_second": 300}})
    told = client.post("/v1/system/setting/preview", body, content_type="application/json").json()["data"]
    assert any("1 log-ins end at once, of anna" in effect["message"] for effect in told["effects"])
    assert update(confirm_lockout=True).status_code == 200
    assert not inside(client)


def test_use_is_noted_once_a_minute(cluster: Cluster) -> None:
    user = person()
    clear, row = tokens.issue(user, "127.0.0.1", 3600)
    client = bearer(clear)
    client.get("/v1/system/version")
    row.refresh_from_db()
    assert row.last_used_time == row.create_time
    Token.objects.update(last_used_time=F("last_used_time") - timedelta(seconds=61))
    client.get("/v1/system/version")
    row.refresh_from_db()
    assert timezone.now() - row.last_used_time < timedelta(seconds=30)
