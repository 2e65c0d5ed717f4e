"""The lock: counted per user and source, exact, alike for everybody, opened by time, by success and by people."""

from __future__ import annotations

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection

from cluster.models import Cluster
from sysmgr.accounts import guard
from sysmgr.accounts.models import LoginGuard, Role, Token, User
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import Actor
from tests.together import at_once

from .calls import PASSWORD, enter_admin, enter_api, let_pass, person, policy, statuses


@pytest.fixture(autouse=True)
def three_tries(cluster: Cluster) -> None:
    """A policy that locks after three failures, for five minutes."""
    policy(cluster, login_fail_retry_times=3, login_fail_punish_seconds=300)


@pytest.mark.parametrize("name", ["anna", "nobody", "x" * 255, "off"])
def test_so_many_failures_are_401_and_the_next_attempt_is_429_whatever_the_password(name: str) -> None:
    person()
    person("off", is_active=False)
    assert statuses([enter_api("wrong", name) for _ in range(4)]) == [401, 401, 401, 429]
    locked = enter_api(PASSWORD, name)
    assert (locked.status_code, locked.json()["scode"]) == (429, 1065)
    assert 290 <= int(locked["Retry-After"]) <= 300
    assert not Token.objects.exists()


def test_a_lock_is_neither_counted_on_nor_extended() -> None:
    person()
    for _ in range(5):
        enter_api("wrong")
    let_pass(seconds=299)
    assert int(enter_api("wrong")["Retry-After"]) == 1
    assert LoginGuard.objects.get().failures == 3
    let_pass(seconds=1)
    assert enter_api().status_code == 200


def test_a_right_log_in_starts_again() -> None:
    person()
    for _ in range(2):
        assert statuses([enter_api("wrong"), enter_api("wrong"), enter_api()]) == [401, 401, 200]


def test_so_long_without_a_failure_starts_again() -> None:
    person()
    for _ in range(3):
        assert statuses([enter_api("wrong"), enter_api("wrong")]) == [401, 401]
        let_pass(seconds=300)


def test_other_sources_and_other_users_are_not_locked() -> None:
    person()
    person("bert")
    for _ in range(4):
        enter_api("wrong")
    assert enter_api(source="192.0.2.8").status_code == 200
    assert enter_api(name="bert").status_code == 200
    assert enter_api().status_code == 429


def test_zero_tries_never_lock(cluster: Cluster) -> None:
    person()
    policy(cluster, login_fail_retry_times=0)
    assert set(statuses([enter_api("wrong") for _ in range(6)])) == {401}


def test_zero_seconds_lock_nobody(cluster: Cluster) -> None:
    person()
    policy(cluster, login_fail_punish_seconds=0)
    assert set(statuses([enter_api("wrong") for _ in range(6)])) == {401}


def test_a_shorter_policy_binds_at_the_next_attempt(cluster: Cluster) -> None:
    person()
    assert statuses([enter_api("wrong"), enter_api("wrong")]) == [401, 401]
    policy(cluster, login_fail_retry_times=2)
    assert enter_api().status_code == 429
    policy(cluster, login_fail_punish_seconds=1)
    let_pass(seconds=1)
    assert enter_api().status_code == 200


def test_the_admin_goes_through_the_same_guard() -> None:
    person()
    for _ in range(3):
        page = enter_admin("wrong").answer  # type: ignore[attr-defined]
        assert "The user name or the password is wrong" in page.content.decode()
    page = enter_admin().answer  # type: ignore[attr-defined]
    assert page.status_code == 200 and "Log-in is locked" in page.content.decode()
    assert enter_api().status_code == 429
    let_pass(seconds=300)
    assert enter_admin().answer.status_code == 302  # type: ignore[attr-defined]


def test_the_lock_and_each_failure_are_in_the_audit() -> None:
    person()
    for _ in range(4):
        enter_api("wrong")
    told = list(AuditRow.objects.filter(action__startswith="login").values_list("action", "user_name", "source"))
    assert ("login.lock", "anna", "192.0.2.7") in told and told.count(("login.lock", "anna", "192.0.2.7")) == 1
    assert ("login", "anna", "192.0.2.7") in told


def test_it_is_opened_for_a_user_from_every_source() -> None:
    person()
    for source in ("192.0.2.7", "192.0.2.8"):
        for _ in range(4):
            enter_api("wrong", source=source)
    assert guard.unlock("anna") == 2
    assert enter_api().status_code == 200


def test_what_is_neither_right_nor_wrong_is_given_back(cluster: Cluster) -> None:
    actor = Actor("anna", "api", "192.0.2.7")
    from settings_app.models import LoginPolicy

    with pytest.raises(RuntimeError), guard.attempt(actor, LoginPolicy.objects.get(cluster=cluster)):
        raise RuntimeError
    row = LoginGuard.objects.get()
    assert (row.failures, row.claims) == (0, 0)


def test_who_died_over_an_attempt_leaves_it_counted() -> None:
    person()
    enter_api("wrong")
    LoginGuard.objects.update(claims=2)
    let_pass(seconds=61)
    assert enter_api().status_code == 429
    row = LoginGuard.objects.get()
    assert (row.failures, row.claims) == (3, 0)


@pytest.mark.django_db(transaction=True)
def test_thirty_guesses_at_once_are_no_more_than_allowed() -> None:
    person()
    work = [lambda: enter_api("wrong").status_code] * 15 + [lambda: enter_api("wrong", "nobody").status_code] * 15
    found = at_once(work)
    queued = connection.vendor == "sqlite"
    for half in (found[:15], found[15:]):
        assert half.count(401) == 3 and set(half) <= {401, 429}, (half, queued)


@pytest.mark.django_db(transaction=True)
def test_right_log_ins_at_once_lock_nobody_out(cluster: Cluster) -> None:
    policy(cluster, login_fail_retry_times=1)
    person()
    assert set(at_once([lambda: enter_api().status_code] * 8)) == {200}


def test_a_hash_of_yesterday_is_made_anew_and_the_password_is_not_younger_for_it() -> None:
    user = person()
    before = user.password_change_time
    User.objects.filter(pk=user.pk).update(password=make_password(PASSWORD, hasher="pbkdf2_sha256"))
    assert enter_api().status_code == 200
    user.refresh_from_db()
    assert user.password.startswith("scrypt$") and user.password_change_time == before
    assert user.role == Role.ADMINISTRATOR and enter_api().status_code == 200
