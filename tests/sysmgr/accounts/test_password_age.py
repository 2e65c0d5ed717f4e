"""When a password expires: to the second, with a warning before, and a change that is forced or asked for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from cluster.models import Cluster
from settings_app.models import PasswordComplexityPolicy
from sysmgr.accounts import password_state
from sysmgr.accounts.models import User
from sysmgr.audit.models import AuditRow
from tests.pages import LANGUAGES, said

from .calls import PASSWORD, enter_admin, person
from .people import NEXT, aged, caller, change, change_page, logged_in, restricted, rules

WARNED = {"password_max_expired_age": 30, "password_expired_warn_age": 7, "password_expired_warn_windows_popup": True}
# How old the password is, and of how many days its owner is told.
DAYS: list[tuple[dict[str, float], int | None]] = [
    ({"days": 22, "hours": 23}, None),
    ({"days": 23}, 7),
    ({"days": 28, "hours": 23}, 2),
    ({"days": 29}, 1),
]


def warning(days: int | None) -> list[str]:
    """Return what a door is to say so many days before the end."""
    return [f"Your password expires within {days} day(s): please change it."] if days else []


def told_at_the_api() -> list[str]:
    """Return what the answer of a log-in says."""
    return [notice["message"] for notice in logged_in()["notices"]]


def told_at_the_admin(language: str = "en") -> list[str]:
    """Return what the first page after a log-in shows."""
    client = Client(REMOTE_ADDR="192.0.2.7", headers={"Accept-Language": language})
    client.post("/admin/login/", {"username": "anna", "password": PASSWORD})
    page = client.get("/admin/")
    assert page.status_code == 200 and all(text in page.content.decode() for text in said(page))
    return said(page)


@pytest.fixture
def anna(cluster: Cluster) -> User:
    return person()


def test_the_age_counts_exactly(anna: User) -> None:
    now = timezone.now()
    policy = PasswordComplexityPolicy(password_max_expired_age=30, password_expire_force_modify=True)
    anna.password_change_time = now - timedelta(days=30) + timedelta(seconds=1)
    assert not password_state.must_change(anna, policy, now)
    assert password_state.must_change(anna, policy, now + timedelta(seconds=1))
    policy.password_max_expired_age = 0
    assert not password_state.must_change(anna, policy, now + timedelta(days=9999))
    policy.password_max_expired_age, policy.password_expire_force_modify = 30, False
    assert not password_state.must_change(anna, policy, now + timedelta(days=9999))


def test_forced_at_the_api_a_token_only_changes_the_password(cluster: Cluster, anna: User) -> None:
    rules(cluster, password_max_expired_age=30, password_expire_force_modify=True)
    aged(anna, days=29, hours=23)
    client = caller()
    assert not restricted(client) and not logged_in()["must_change_password"]
    aged(anna, days=30)
    assert restricted(client)  # the log-in of before too, from the next request on
    entered = logged_in()
    assert entered["must_change_password"]
    assert "older than 30 days and must be changed" in entered["notices"][0]["message"]
    assert "必须先修改密码" in entered["notices"][0]["message_cn"]
    assert change(client).status_code == 200
    assert not restricted(client) and logged_in(password=NEXT)["notices"] == []


def test_forced_at_the_admin_the_page_comes_first_and_says_why(cluster: Cluster, anna: User) -> None:
    rules(cluster, password_max_expired_age=30, password_expire_force_modify=True)
    client = enter_admin()
    assert client.get("/admin/accounts/user/").status_code == 200
    aged(anna, days=30)
    for page in ("/admin/", "/admin/accounts/user/", "/admin/settings_app/loginpolicy/"):
        answer = client.get(page)
        assert (answer.status_code, answer["Location"]) == (302, "/admin/password_change/")
    assert "older than 30 days" in client.get("/admin/password_change/").content.decode()
    assert change_page(client).status_code == 302
    assert client.get("/admin/accounts/user/").status_code == 200


def test_not_forced_it_works_on_with_a_notice_at_each_log_in(cluster: Cluster, anna: User) -> None:
    rules(cluster, password_max_expired_age=30, password_expire_force_modify=False)
    aged(anna, days=31)
    for _ in range(2):
        entered = logged_in()
        assert not entered["must_change_password"]
        assert [notice["message"] for notice in entered["notices"]] == [
            "Your password is older than 30 days and has expired: please change it."
        ]
    assert not restricted(caller())
    page = enter_admin().get("/admin/")
    assert page.status_code == 200 and b"has expired" in page.content


@pytest.mark.parametrize(("age", "told"), DAYS)
def test_warn_age_binds_at_the_api(cluster: Cluster, anna: User, age: dict[str, float], told: int | None) -> None:
    rules(cluster, **WARNED)
    aged(anna, **age)
    assert told_at_the_api() == warning(told)
    rules(cluster, password_expired_warn_age=30)
    aged(anna, days=1)
    assert told_at_the_api() == warning(29)
    rules(cluster, password_expired_warn_age=0)
    aged(anna, days=29, hours=23)
    assert told_at_the_api() == []


@pytest.mark.parametrize(("age", "told"), DAYS)
def test_warn_age_binds_at_the_admin(cluster: Cluster, anna: User, age: dict[str, float], told: int | None) -> None:
    rules(cluster, **WARNED)
    aged(anna, **age)
    assert told_at_the_admin() == warning(told)
    rules(cluster, password_expired_warn_age=30)
    aged(anna, days=1)
    assert told_at_the_admin() == warning(29)
    rules(cluster, password_expired_warn_age=0)
    aged(anna, days=29, hours=23)
    assert told_at_the_admin() == []


def test_warn_windows_popup_binds_at_the_api(cluster: Cluster, anna: User) -> None:
    rules(cluster, **{**WARNED, "password_expired_warn_windows_popup": False})
    aged(anna, days=27)
    assert told_at_the_api() == []
    rules(cluster, password_expired_warn_windows_popup=True)
    assert told_at_the_api() == warning(3)
    assert "将在 3 天内过期" in logged_in()["notices"][0]["message_cn"]


def test_warn_windows_popup_binds_at_the_admin(cluster: Cluster, anna: User) -> None:
    rules(cluster, **{**WARNED, "password_expired_warn_windows_popup": False})
    aged(anna, days=27)
    assert told_at_the_admin() == []
    rules(cluster, password_expired_warn_windows_popup=True)
    assert told_at_the_admin() == warning(3)
    assert "将在 3 天内过期" in told_at_the_admin("zh-hans")[0]


def test_what_never_expires_is_not_warned_of_at_either_door(cluster: Cluster, anna: User) -> None:
    rules(cluster, **{**WARNED, "password_max_expired_age": 0})
    aged(anna, days=29)
    assert told_at_the_api() == told_at_the_admin() == []


def test_a_rule_tightened_later_has_the_password_changed_at_the_next_log_in(cluster: Cluster, anna: User) -> None:
    client = caller()
    rules(cluster, password_minimum_length=100)
    assert not restricted(client)  # what is inside goes on: nobody knows its password
    entered = logged_in()
    assert entered["must_change_password"] and "today's rules refuse it" in entered["notices"][0]["message"]
    row = AuditRow.objects.get(action="password.weak")
    assert (row.object, row.user_name) == ("user anna", "system")
    assert logged_in()["must_change_password"] and AuditRow.objects.filter(action="password.weak").count() == 1
    fresh = caller()
    assert restricted(fresh)
    assert change(fresh, new="0123456789" * 10).status_code == 200
    assert not restricted(fresh) and not logged_in(password="0123456789" * 10)["must_change_password"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_tightened_rules_at_the_admin(cluster: Cluster, anna: User, language: str) -> None:
    rules(cluster, password_must_include_special_char=True, password_minimum_length=100)
    client = enter_admin()
    assert client.get("/admin/")["Location"] == "/admin/password_change/"
    page = client.get("/admin/password_change/", headers={"Accept-Language": language}).content.decode()
    assert ("rules refuse it" if language == "en" else "不符合当前的密码规则") in page.replace("&#x27;", "'")


def test_who_was_flagged_and_changed_it_meanwhile_is_left_alone(cluster: Cluster, anna: User) -> None:
    seen = User.objects.get()
    anna.set_password(NEXT)
    anna.save()
    password_state.note_weak(seen, "short", PasswordComplexityPolicy(password_minimum_length=100))
    anna.refresh_from_db()
    assert not anna.must_change_password and not AuditRow.objects.filter(action="password.weak").exists()
