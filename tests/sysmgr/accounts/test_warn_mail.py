"""The mail that warns of a password's end: once a day in its days, whoever leads and whatever dies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cluster.models import Cluster
from settings_app.models import OutboxMail
from sysmgr import env
from sysmgr.accounts.models import User
from sysmgr.accounts.warn_mail import warn
from tests.settings_app.mail.mails import configure
from tests.together import at_once

from .calls import enter_admin, enter_api, person
from .people import caller, post, rules

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
POLICY = {"password_max_expired_age": 30, "password_expired_warn_age": 7, "password_expired_warn_email_notify": True}


@pytest.fixture
def anna(cluster: Cluster) -> User:
    configure(cluster, 25)
    rules(cluster, **POLICY)
    return person(email="anna@example.com")


def set_ago(user: User, **time: float) -> None:
    User.objects.filter(pk=user.pk).update(password_change_time=NOW - timedelta(**time))


def mails() -> int:
    return OutboxMail.objects.count()


def test_once_a_day_in_the_days_of_warning(anna: User) -> None:
    set_ago(anna, days=22, hours=23)
    assert warn(NOW) == 0
    set_ago(anna, days=23)
    counts = [warn(NOW + timedelta(hours=hours)) for hours in range(0, 8 * 24, 4)]
    assert sum(counts) == mails() == 8  # seven days touch eight dates
    set_ago(anna, days=30)
    User.objects.update(warned_on=None)
    assert warn(NOW) == 0


def test_it_says_when_and_where_in_both_languages(anna: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "TIME_ZONE", "Asia/Shanghai")
    set_ago(anna, days=28, hours=1)
    assert warn(NOW) == 1
    mail = OutboxMail.objects.get()
    text = mail.body.reveal()
    assert mail.receiver == "anna@example.com" and "密码即将过期" in mail.subject
    for needed in (
        "within 2 day(s)",
        "2 天内",
        "2026-06-12 19:00 Asia/Shanghai",
        f"{env.PUBLIC_URL}/admin/password_change/",
    ):
        assert needed in text, needed


def test_the_day_ends_at_midnight_of_the_zone(anna: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "TIME_ZONE", "Asia/Shanghai")
    set_ago(anna, days=25)
    before_midnight = datetime(2026, 6, 10, 15, 59, tzinfo=UTC)
    assert [warn(before_midnight), warn(before_midnight), warn(before_midnight + timedelta(minutes=1))] == [1, 0, 1]


@pytest.mark.parametrize(
    "user",
    [{"email": ""}, {"is_active": False}, {"password": "!nobody"}],
)
def test_who_can_do_nothing_about_it_gets_none(anna: User, user: dict[str, Any]) -> None:
    set_ago(anna, days=25)
    User.objects.update(**user)
    assert warn(NOW) == 0


@pytest.mark.parametrize("values", [{key: False if value is True else 0} for key, value in POLICY.items()])
def test_none_where_none_is_wanted(cluster: Cluster, anna: User, values: dict[str, Any]) -> None:
    rules(cluster, password_expired_warn_age=0) if "password_max_expired_age" in values else None
    rules(cluster, **values)
    set_ago(anna, days=25)
    assert warn(NOW) == 0


@pytest.mark.parametrize("door", ["api", "admin"])
def test_a_change_at_each_door_counts_from_the_next_turn_on(cluster: Cluster, anna: User, door: str) -> None:
    set_ago(anna, days=25)
    rules(cluster, password_expired_warn_email_notify=False)
    assert warn(NOW) == 0
    if door == "api":
        assert enter_api().status_code == 200
        body = {"password_complexity_policy": {"password_expired_warn_email_notify": True}}
        User.objects.update(password_change_time=datetime.now(UTC))
        assert post(caller(), "system/setting/update", body).status_code == 200
    else:
        User.objects.update(password_change_time=datetime.now(UTC))
        client = enter_admin()
        page = f"/admin/settings_app/passwordcomplexitypolicy/{cluster.pk}/change/"
        form = client.get(page).context["adminform"].form.initial
        sent = {key: value for key, value in form.items() if value not in (False, None)}
        answer = client.post(page, {**sent, "password_expired_warn_email_notify": "on"})
        assert answer.status_code == 302, answer.content
    set_ago(anna, days=25)
    assert warn(NOW) == 1


def test_mail_that_is_off_costs_nobody_the_warning(cluster: Cluster, anna: User) -> None:
    set_ago(anna, days=25)
    configure(cluster, 25, enabled=False)
    assert warn(NOW) == 0
    configure(cluster, 25)
    assert warn(NOW) == 1


@pytest.mark.django_db(transaction=True)
def test_a_crash_between_note_and_mail_leaves_neither(anna: User, monkeypatch: pytest.MonkeyPatch) -> None:
    set_ago(anna, days=25)

    def dies(*args: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr("sysmgr.accounts.warn_mail.queue", dies)
        warn(NOW)
    assert (mails(), User.objects.get().warned_on) == (0, None)
    assert (warn(NOW), mails()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_two_leaders_at_once_warn_once(anna: User) -> None:
    set_ago(anna, days=25)
    assert sum(at_once([lambda: warn(NOW)] * 4)) == mails() == 1
