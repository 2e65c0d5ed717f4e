"""Users at the API: made, listed, changed, removed by administrators; auditors look, and the last one stays."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cluster.models import Cluster
from sysmgr import env
from sysmgr.accounts import tokens
from sysmgr.accounts.models import ApiKey, PasswordLink, Role, Token, User
from sysmgr.accounts.user_errors import LastAdministrator
from sysmgr.accounts.users import remove_user, update_user
from sysmgr.api.models import IdempotencyKey
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from sysmgr.events.models import Event
from tests import rows
from tests.conftest import client_of
from tests.together import at_once
from upgrades import upload_files, uploads
from upgrades.models import TusUpload

from .calls import PASSWORD, enter_api
from .people import NEXT, caller, post, restricted

NEW = {"user_name": "carol", "role": "operator", "email": "carol@example.com"}


def call(client: Client, verb: str, **body: Any) -> Any:
    return post(client, f"system/user/{verb}", body)


def carol(api: Client, **more: Any) -> dict[str, Any]:
    answer = call(api, "create", **{**NEW, "password": PASSWORD, **more})
    assert answer.status_code == 200, answer.content
    data: dict[str, Any] = answer.json()["data"]
    return data


def kinds() -> list[str]:
    return list(Event.objects.filter(kind__startswith="account.").order_by("id").values_list("kind", flat=True))


def test_a_user_with_a_password_comes_in_at_once(api: Client) -> None:
    data = carol(api)
    user = User.objects.get(user_name="carol")
    assert list(data) == ["user_uuid", "user_name", "role", "email", "enabled", "create_time"]
    assert (data["user_uuid"], data["role"], data["enabled"]) == (str(user.pk), "operator", True)
    assert not restricted(caller("carol"))
    row = AuditRow.objects.get(action="user.create")
    assert (row.door, row.object, row.user_name) == ("api", "user carol", "a-administrator")
    assert kinds() == ["account.created"] and PASSWORD not in str(list(AuditRow.objects.values()))
    assert call(api, "create", **NEW).status_code == 409


def test_without_a_password_there_is_a_link_once_in_the_answer(api: Client) -> None:
    data = call(api, "create", **NEW).json()["data"]
    assert data["password_link"].startswith(f"{env.PUBLIC_URL}/password?link=")
    secret = data["password_link"].partition("=")[2]
    listed = api.get("/v1/system/user/list").content.decode()
    stored = str([*PasswordLink.objects.values(), *AuditRow.objects.values(), *Event.objects.values()])
    assert secret not in listed + stored
    assert enter_api("", "carol").status_code in (400, 401)


@pytest.mark.alike
@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"user_name": ""}, "user_name"),
        ({"user_name": "x" * 65}, "user_name"),
        ({"user_name": "a\x1fb"}, "user_name"),
        ({"role": "king"}, "role"),
        ({"email": "nobody"}, "email"),
        ({"enabled": "yes"}, "enabled"),
        ({"password": "12"}, "password"),
        ({"more": 1}, "more"),
    ],
)
def test_a_wrong_user_is_told_by_path(api: Client, body: dict[str, Any], path: str) -> None:
    answer = call(api, "create", **{**NEW, **body})
    assert (answer.status_code, answer.json()["desc"]) == (400, path)
    assert User.objects.count() == 1 and not AuditRow.objects.filter(action="user.create").exists()


def test_the_list_tells_the_state_in_five_queries(api: Client, cluster: Cluster) -> None:
    carol(api)
    rows.one_of_each(cluster)
    for _ in range(3):
        enter_api("wrong", "carol")
    with CaptureQueriesContext(connection) as queries:
        data = api.get("/v1/system/user/list", {"filter_name": "CAR"}).json()["data"]
    assert len(queries) == 4  # gate · count · page with second factors · locks
    assert data["total_count"] == 1
    (found,) = data["list"]
    states = ("last_login", "must_change_password", "second_factor", "legacy", "locked")
    assert [found[key] for key in states] == [None, False, False, False, True]
    assert "scrypt" not in str(data)


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.OPERATOR])
def test_others_write_no_user_and_operators_read_none(cluster: Cluster, role: str) -> None:
    client = client_of(role)
    assert client.get("/v1/system/user/list").status_code == (200 if role == Role.AUDITOR else 403)
    for verb in ("create", "update", "remove"):
        assert call(client, verb, **NEW).status_code == 403
    assert User.objects.count() == 1


def test_what_is_changed_and_what_stays(api: Client) -> None:
    data = carol(api)
    same = call(api, "update", user_name="carol", role="operator").json()["data"]
    assert same == data and not AuditRow.objects.filter(action="user.update").exists()
    changed = call(api, "update", user_uuid=data["user_uuid"], role="auditor", email="").json()["data"]
    assert (changed["role"], changed["email"], changed["enabled"]) == ("auditor", "", True)
    (row,) = AuditRow.objects.filter(action="user.update")
    assert [change["path"] for change in row.changes] == ["role", "email"]
    assert kinds() == ["account.created", "account.role_changed"]


@pytest.mark.parametrize("verb", ["update", "remove"])
def test_which_user_is_meant(api: Client, verb: str) -> None:
    data = carol(api)
    other = User.objects.exclude(user_name="carol").get()
    assert call(api, verb).status_code == 400
    assert call(api, verb, user_name="nobody").status_code == 404
    assert call(api, verb, user_uuid=data["user_uuid"], user_name=other.user_name).status_code == 404


def test_who_is_switched_off_is_out_at_once(api: Client) -> None:
    carol(api)
    client = caller("carol")
    call(api, "update", user_name="carol", password_link=True)
    assert call(api, "update", user_name="carol", enabled=False).json()["data"]["enabled"] is False
    assert client.get("/v1/system/version").status_code == 401 and enter_api(name="carol").status_code == 401
    assert not PasswordLink.objects.exists() and not Token.objects.filter(user__user_name="carol").exists()
    call(api, "update", user_name="carol", enabled=True)
    assert enter_api(name="carol", source="192.0.2.8").status_code == 200
    assert kinds()[-2:] == ["account.disabled", "account.enabled"]


def test_a_password_that_an_administrator_sets_must_be_changed(api: Client) -> None:
    carol(api)
    before = caller("carol")
    assert call(api, "update", user_name="carol", password=NEXT).status_code == 200
    assert before.get("/v1/system/version").status_code == 401
    assert restricted(caller("carol", NEXT)) and kinds()[-1] == "account.password_reset"
    call(api, "update", user_name="carol", password="A-third-1-entirely", must_change_password=False)
    assert not restricted(caller("carol", "A-third-1-entirely"))
    call(api, "update", user_name="carol", must_change_password=True)
    assert restricted(caller("carol", "A-third-1-entirely"))
    row = AuditRow.objects.filter(action="user.update").order_by("seq")[0]
    assert {"path": "password", "from": None, "to": "changed"} in row.changes and NEXT not in str(row.changes)


def test_a_removed_user_leaves_only_his_name(api: Client, cluster: Cluster) -> None:
    carol(api)
    client, user = caller("carol"), User.objects.get(user_name="carol")
    now = user.create_time
    ApiKey.objects.create(user=user, name="k", digest="k" * 64, role="auditor", create_time=now)
    IdempotencyKey.objects.create(user=user, path="/v1/x", key="k", body_digest="b", answer={})
    upload = TusUpload.objects.create(user=user, cluster=cluster, file_name="a.tar.gz", length=9, expire_time=now)
    (upload_files.folder() / str(upload.pk)).write_bytes(b"part")
    call(api, "update", user_name="carol", password_link=True)
    assert call(api, "remove", user_name="carol").json()["data"] == {}
    assert client.get("/v1/system/version").status_code == 401 and enter_api(name="carol").status_code == 401
    for model in (ApiKey, IdempotencyKey, TusUpload, PasswordLink):
        assert not model._default_manager.exists(), model
    uploads.expire()
    assert not (upload_files.folder() / str(upload.pk)).exists()
    assert AuditRow.objects.filter(user_name="carol", action="login").exists()
    assert AuditRow.objects.get(action="user.remove").object == "user carol" and kinds()[-1] == "account.removed"


@pytest.mark.parametrize("body", [{"role": "auditor"}, {"enabled": False}, None])
def test_the_last_administrator_stays(api: Client, body: dict[str, Any] | None) -> None:
    me = User.objects.get()
    User.objects.create_user("off", None, role=Role.ADMINISTRATOR, is_active=False)
    verb = "remove" if body is None else "update"
    answer = call(api, verb, user_name=me.user_name, **(body or {}))
    assert (answer.status_code, answer.json()["scode"]) == (409, 1073)
    second = User.objects.create_user("second", None, role=Role.ADMINISTRATOR)
    assert call(api, verb, user_name=second.user_name, **(body or {})).status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "act",
    [
        lambda pk: remove_user(pk, SYSTEM),
        lambda pk: update_user(pk, {"role": "auditor"}, SYSTEM),
        lambda pk: update_user(pk, {"is_active": False}, SYSTEM),
    ],
)
def test_of_all_administrators_deposed_at_once_one_stays(cluster: Cluster, act: Any) -> None:
    four = [User.objects.create_user(f"u{n}", None, role=Role.ADMINISTRATOR) for n in range(4)]

    def one(pk: Any) -> bool:
        try:
            act(pk)
        except LastAdministrator:
            return False
        return True

    assert sorted(at_once([partial(one, user.pk) for user in four])) == [False, True, True, True]
    assert User.objects.filter(role=Role.ADMINISTRATOR, is_active=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_log_ins_while_the_user_is_removed_leave_nothing_behind(cluster: Cluster) -> None:
    User.objects.create_user("admin", None, role=Role.ADMINISTRATOR)
    user = User.objects.create_user("carol", PASSWORD)
    tokens.issue(user, "127.0.0.1", 60)
    told = at_once([lambda: remove_user(user.pk, SYSTEM), *[lambda: enter_api(name="carol").status_code] * 3])
    assert set(told[1:]) <= {200, 401, 429} and not Token.objects.exists()
