"""What a new password must be like: the same rules at the API, the admin, the link's page and the commands."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from cluster.models import Cluster
from settings_app.sections import PASSWORD_SPECIAL_CHAR
from sysmgr.accounts import password_rules
from sysmgr.accounts.models import Role, User
from sysmgr.accounts.password_rules import make_up
from sysmgr.accounts.users import LINK, update_user
from sysmgr.audit.services import SYSTEM

from .calls import PASSWORD, enter_admin, person
from .people import NEXT, caller, change, change_page, post, rules, use


def by_api(user: User, password: str) -> bool:
    return bool(change(caller(), new=password).status_code == 200)


def by_admin(user: User, password: str) -> bool:
    return bool(change_page(enter_admin(), new=password).status_code == 302)


def by_link(user: User, password: str) -> bool:
    link = update_user(user.pk, {}, SYSTEM, password=LINK).link
    assert link is not None
    return b"Your password is set." in use(link, password).content


def by_administrator(user: User, password: str) -> bool:
    return bool(post(caller(), "system/user/update", {"user_name": "anna", "password": password}).status_code == 200)


def by_command(user: User, password: str) -> bool:
    sys.stdin = io.StringIO(password)
    try:
        call_command("changepassword", "anna", "--password-file", "-", stdout=io.StringIO())
    except CommandError:
        return False
    finally:
        sys.stdin = sys.__stdin__
    return True


DOORS: list[Callable[[User, str], bool]] = [by_api, by_admin, by_link, by_administrator, by_command]


@pytest.fixture
def anna(cluster: Cluster) -> User:
    return person()


@pytest.mark.parametrize("door", DOORS)
def test_minimum_length(cluster: Cluster, anna: User, door: Callable[[User, str], bool]) -> None:
    rules(cluster, password_minimum_length=20)
    assert not door(anna, "qw-Er7ty-1234-56789"[:19])
    assert anna.check_password(PASSWORD)
    assert door(anna, "qw-Er7ty-1234-567890")
    anna.refresh_from_db()
    assert anna.check_password("qw-Er7ty-1234-567890")


@pytest.mark.parametrize("door", DOORS)
def test_a_special_character(cluster: Cluster, anna: User, door: Callable[[User, str], bool]) -> None:
    rules(cluster, password_must_include_special_char=True)
    assert not door(anna, "small letters and blanks only, 密码?")
    assert door(anna, "small letters and one Capital")


@pytest.mark.parametrize("door", DOORS)
def test_common_ones_and_the_present_one_are_refused(
    cluster: Cluster, anna: User, door: Callable[[User, str], bool]
) -> None:
    assert not door(anna, "football")
    assert not door(anna, PASSWORD)
    assert door(anna, NEXT)


def test_the_set_of_special_characters_is_taken_literally(cluster: Cluster, anna: User) -> None:
    rules(cluster, password_must_include_special_char=True)
    wanted = password_rules.SpecialCharacter()
    assert all(not wanted.refuses(f"ab cd{char}", None) for char in PASSWORD_SPECIAL_CHAR)
    assert all(wanted.refuses(f"ab cd{char}", None) for char in "abz?/()[]{}.,:;'\"\\|<> €é密٣")
    rules(cluster, password_must_include_special_char=False)
    assert not wanted.refuses("ab cd", None)


def test_the_last_two_passwords_do_not_come_back(cluster: Cluster, anna: User) -> None:
    client = caller()
    assert change(client, PASSWORD, NEXT).status_code == 200
    refused = change(client, NEXT, PASSWORD)
    assert (refused.status_code, refused.json()["desc"]) == (400, "new_password")
    assert "the one before it" in refused.json()["message"] and "上一个密码" in refused.json()["message_cn"]
    assert change(client, NEXT, "A-third-1-entirely").status_code == 200
    assert change(client, "A-third-1-entirely", PASSWORD).status_code == 200


def test_everything_that_is_wrong_is_said_at_once_in_both_languages(cluster: Cluster, anna: User) -> None:
    rules(cluster, password_minimum_length=30, password_must_include_special_char=True)
    told = change(caller(), new="football").json()
    for english, chinese in (
        ("at least 30", "至少为 30"),
        (PASSWORD_SPECIAL_CHAR, PASSWORD_SPECIAL_CHAR),
        ("first", "常见"),
    ):
        assert english in told["message"] and chinese in told["message_cn"]
    assert "football" not in str(told)
    page = change_page(enter_admin(), new="football")
    assert page.status_code == 200 and b"at least 30" in page.content and b"football" not in page.content


@pytest.mark.parametrize("values", [{}, {"password_minimum_length": 128, "password_must_include_special_char": True}])
def test_made_up_passwords_keep_the_rules(cluster: Cluster, anna: User, values: dict[str, Any]) -> None:
    rules(cluster, **values)
    for _ in range(50):
        made = make_up()
        assert len(made) >= values.get("password_minimum_length", 24)
        assert by_rules(made) == []


def by_rules(password: str) -> list[str]:
    every = (password_rules.MinimumLength(), password_rules.SpecialCharacter(), password_rules.NotCommon())
    return [rule.code for rule in every if rule.refuses(password, None)]


def test_without_a_cluster_the_safer_rules_hold(db: None) -> None:
    person(role=Role.ADMINISTRATOR)
    assert change(caller(), new="k7-Zx-p2-Qw").status_code == 400
    assert change(caller(), new="k7-Zx-p2-Qw9").status_code == 200


def test_the_pages_say_the_rules(cluster: Cluster, anna: User) -> None:
    rules(cluster, password_minimum_length=17, password_must_include_special_char=True)
    page = enter_admin().get("/admin/password_change/").content.decode()
    assert "at least 17 characters" in page and "1234567890ABC" in page
    link = update_user(anna.pk, {}, SYSTEM, password=LINK).link
    assert link is not None
    shown = Client(headers={"Accept-Language": "zh-hans"}).get("/password", {"link": link.partition("=")[2]})
    assert "长度至少为 17 个字符" in shown.content.decode()
