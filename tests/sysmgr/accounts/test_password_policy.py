"""A change of the password rules: what preview says it does, whom it would keep back, and that one always comes in."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from cluster.models import Cluster
from settings_app.models import PasswordComplexityPolicy
from settings_app.sections import SECTIONS
from sysmgr.accounts.models import Role, User

from .calls import PASSWORD, enter_admin, person
from .people import SECTION, aged, caller, change, change_page, post, restricted, rules

FORCED = {"password_max_expired_age": 30, "password_expire_force_modify": True}


@pytest.fixture
def anna(cluster: Cluster) -> User:
    return person()


def preview(values: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = post(caller(), "system/setting/preview", {SECTION: values}).json()["data"]
    return data


def effects(values: dict[str, Any]) -> str:
    return " ".join(effect["message"] + effect["message_cn"] for effect in preview(values)["effects"])


def test_it_names_who_must_change_the_password_at_once(cluster: Cluster, anna: User) -> None:
    for n in range(12):
        aged(person(f"user-{n:02}", Role.OPERATOR), days=31)
    User.objects.create_user("has-none", None)
    told = effects(FORCED)
    assert "(12): user-00, user-01" in told and "user-09 and 2 more" in told and "12 人" in told
    assert "has-none" not in told and "anna" not in told
    rules(cluster, **FORCED)
    assert "at once" not in effects({"password_max_expired_age": 31, "password_expired_warn_age": 1})
    assert "goes on at once" in effects({"password_max_expired_age": 0})
    assert "a notice at each log-in says so (12)" in effects({"password_expire_force_modify": False})


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"password_minimum_length": 40}, "must change it at the next log-in"),
        ({"password_must_include_special_char": True}, "must change it at the next log-in"),
        ({"notify_user_password_when_create": True}, "one-time link by mail"),
        ({"password_expired_warn_windows_popup": True}, "nobody is warned"),
        ({**FORCED, "password_expired_warn_age": 5, "password_expired_warn_email_notify": True}, "a mail once a day"),
    ],
)
def test_it_says_from_when_it_bites(cluster: Cluster, anna: User, values: dict[str, Any], text: str) -> None:
    assert text in effects(values)


def test_a_change_that_would_keep_its_author_back_is_refused_unless_confirmed(cluster: Cluster, anna: User) -> None:
    aged(anna, days=31)
    client = caller()
    (refusal,) = preview(FORCED)["refusals"]
    assert (refusal["path"], refusal["confirmable"]) == (f"{SECTION}.password_max_expired_age", True)
    refused = post(client, "system/setting/update", {SECTION: FORCED})
    assert refused.status_code == 409 and "your own password is older than 30 days" in refused.json()["message"]
    assert not restricted(client)
    confirmed = {SECTION: FORCED, "confirm_lockout": True}
    assert post(client, "system/setting/update", confirmed).status_code == 200
    assert restricted(client) and change(client).status_code == 200 and not restricted(client)


def test_the_force_alone_is_named_by_its_own_path(cluster: Cluster, anna: User) -> None:
    rules(cluster, password_max_expired_age=30)
    aged(anna, days=31)
    (refusal,) = preview({"password_expire_force_modify": True})["refusals"]
    assert refusal["path"] == f"{SECTION}.password_expire_force_modify"


VALUES: dict[str, tuple[Any, ...]] = {
    "password_expire_force_modify": (False, True),
    "password_max_expired_age": (0, 1, 3650),
    "password_expired_warn_age": (0, 1),
    "password_expired_warn_windows_popup": (True,),
    "password_expired_warn_email_notify": (True,),
    "password_must_include_special_char": (False, True),
    "password_minimum_length": (1, 128),
    "notify_user_password_when_create": (True,),
}
COMBINATIONS = [dict(zip(VALUES, values, strict=True)) for values in product(*VALUES.values())]


def test_the_last_administrator_comes_in_and_changes_an_expired_password_whatever_the_rules(
    cluster: Cluster,
) -> None:
    assert set(VALUES) == {f.name for f in SECTIONS[SECTION]._meta.fields} - {"cluster", "id"}
    password = PASSWORD
    anna = person()
    for place, values in enumerate(COMBINATIONS):
        PasswordComplexityPolicy.objects.filter(cluster=cluster).update(
            **{**values, "password_expired_warn_age": 0, "password_max_expired_age": 0}
        )
        rules(cluster, password_minimum_length=2 + place % 3)  # a revision, so that the doors notice
        PasswordComplexityPolicy.objects.filter(cluster=cluster).update(**values)
        rules(cluster, password_minimum_length=values["password_minimum_length"])
        aged(anna, days=4000)
        following = f"{'lower case only ' * 9}{place} é"[:250] if place % 2 else f"{'Upper ' * 25}{place}"
        if place % 4 < 2:
            client = caller(password=password)
            assert change(client, password, following).status_code == 200, values
            assert not restricted(client), values
        else:
            page = enter_admin(password)
            assert change_page(page, password, following).status_code == 302, values
            assert page.get("/admin/").status_code == 200, values
        password = following
