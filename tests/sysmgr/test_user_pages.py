"""Users at the admin's door: added and changed by administrators, and one of them always stays."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from cluster.models import Cluster
from sysmgr.accounts import tokens
from sysmgr.accounts.models import Role, User
from sysmgr.accounts.user_errors import LastAdministrator
from sysmgr.accounts.users import update_user
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from tests.pages import LANGUAGES, enter, faults, refusals, said, url
from tests.together import at_once

CREATE = "/admin/accounts/user/create/"
NEW = {"user_name": "carol", "role": "operator", "email": "carol@example.com"}
NEW |= {"password": "correct-horse", "again": "correct-horse"}


def create(client: Client, **form: str) -> Any:
    return client.post(CREATE, {**NEW, **form}, follow=True)


def change(client: Client, user: User, **form: str) -> Any:
    given = {"role": user.role, "email": user.email, "is_active": "on", **form}
    sent = {key: value for key, value in given.items() if value}
    return client.post(url(User, "update", user.pk), sent, follow=True)


def audited() -> list[tuple[str, str]]:
    rows = AuditRow.objects.exclude(action="login").filter(door="admin", result="success")
    return list(rows.values_list("action", "object"))


def _deposed(user: User) -> bool:
    try:
        update_user(user.pk, {"role": "auditor"}, SYSTEM)
    except LastAdministrator:
        return False
    return True


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_ask_first(cluster: Cluster, language: str) -> None:
    client = enter(Role.ADMINISTRATOR, language)
    user = User.objects.get()
    for page in (CREATE, url(User, "update", user.pk), url(User, "changelist"), url(User, "change", user.pk)):
        answer = client.get(page)
        assert (answer.status_code, faults(answer)) == (200, [])
    assert audited() == []


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR])
def test_others_change_nobody(cluster: Cluster, role: str) -> None:
    client = enter(role)
    user = User.objects.get()
    assert client.get(CREATE).status_code == 403 and create(client).status_code == 403
    assert client.get(url(User, "update", user.pk)).status_code == 403
    assert change(client, user, role="administrator").status_code == 403
    user.refresh_from_db()
    assert (user.role, User.objects.count(), audited()) == (role, 1, [])


def test_a_user_is_added_and_comes_in(cluster: Cluster) -> None:
    client = enter(Role.ADMINISTRATOR)
    added = create(client)
    user = User.objects.get(user_name="carol")
    assert added.redirect_chain == [(url(User, "change", user.pk), 302)]
    assert (user.role, user.email, user.is_active) == ("operator", "carol@example.com", True)
    assert audited() == [("user.create", "user carol")]
    assert Client().login(username="carol", password="correct-horse")
    assert "already" in refusals(create(client))
    assert "已存在" in refusals(create(enter(Role.ADMINISTRATOR, "zh-hans")))
    assert "correct-horse" not in str(list(AuditRow.objects.values_list("changes", flat=True)))


@pytest.mark.alike
@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"again": "other"}, "differ"),
        ({"user_name": ""}, "required"),
        ({"user_name": "x" * 65}, "64"),
        ({"user_name": "a\x1fb"}, "ontrol"),
        ({"role": "king"}, "valid choice"),
        ({"email": "nobody"}, "valid email"),
    ],
)
def test_a_wrong_user_is_told(cluster: Cluster, form: dict[str, str], text: str) -> None:
    answer = create(enter(Role.ADMINISTRATOR), **form)
    assert text in refusals(answer) and "correct-horse" not in answer.content.decode()
    assert not User.objects.filter(role="operator").exists()


def test_a_role_changes_and_who_is_switched_off_loses_his_tokens(cluster: Cluster) -> None:
    client = enter(Role.ADMINISTRATOR)
    create(client)
    carol = User.objects.get(user_name="carol")
    tokens.issue(carol, "127.0.0.1", 3600)
    for _ in range(2):
        assert said(change(client, carol, role="auditor", email="")) == ["The user is as you set it."]
    carol.refresh_from_db()
    assert (carol.role, carol.email, carol.tokens.count()) == ("auditor", "", 1)
    change(client, carol, is_active="")
    carol.refresh_from_db()
    assert not carol.is_active and not carol.tokens.exists()
    assert not Client().login(username="carol", password="correct-horse")
    rows = AuditRow.objects.filter(action="user.update").order_by("seq")
    assert [[entry["path"] for entry in row.changes] for row in rows] == [["role", "email"], ["enabled"]]
    assert said(change(client, carol)) and Client().login(username="carol", password="correct-horse")


@pytest.mark.parametrize("form", [{"role": "operator"}, {"is_active": ""}])
def test_the_last_administrator_stays(cluster: Cluster, form: dict[str, str]) -> None:
    client = enter(Role.ADMINISTRATOR, "zh-hans")
    me = User.objects.get()
    assert "这是最后一位可登录的管理员" in refusals(change(client, me, **form))
    User.objects.create_user("switched-off", None, role=Role.ADMINISTRATOR, is_active=False)
    assert refusals(change(client, me, **form))
    second = User.objects.create_user("second", None, role=Role.ADMINISTRATOR)
    assert change(client, second, **form).status_code == 200
    me.refresh_from_db()
    assert me.is_superuser and me.is_active


@pytest.mark.django_db(transaction=True)
def test_two_administrators_do_not_depose_each_other(cluster: Cluster) -> None:
    pair = [User.objects.create_user(name, None, role=Role.ADMINISTRATOR) for name in ("a", "b")]
    told = at_once([partial(_deposed, user) for user in pair])
    assert sorted(told) == [False, True]
    assert User.objects.filter(role=Role.ADMINISTRATOR).count() == 1


def test_ones_own_password_changes_by_the_page(cluster: Cluster) -> None:
    user = User.objects.create_user("carol", "old-password", role=Role.AUDITOR, last_login=timezone.now())
    client = Client()
    client.force_login(user)
    form = {"old_password": "old-password", "new_password1": "new-password", "new_password2": "new-password"}
    assert client.post("/admin/password_change/", form).status_code == 302
    assert Client().login(username="carol", password="new-password")


def test_a_password_is_set_and_a_user_removed(cluster: Cluster) -> None:
    client = enter(Role.ADMINISTRATOR)
    create(client)
    carol = User.objects.get(user_name="carol")
    page = url(User, "set_password", carol.pk)
    assert "differ" in refusals(client.post(page, {"password": "new-password-1", "again": "x"}))
    assert "first" in refusals(client.post(page, {"password": "football", "again": "football"}))
    assert said(client.post(page, {"password": "new-password-1", "again": "new-password-1"}, follow=True))
    carol.refresh_from_db()
    assert carol.must_change_password and carol.check_password("new-password-1")
    assert said(client.post(url(User, "remove", carol.pk), follow=True)) == ["The user was removed."]
    assert not User.objects.filter(user_name="carol").exists()
    assert audited() == [("user.remove", "user carol"), ("user.update", "user carol"), ("user.create", "user carol")]
    me = User.objects.get()
    assert "last administrator" in refusals(client.post(url(User, "remove", me.pk)))
