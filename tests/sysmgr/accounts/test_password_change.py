"""One's own password: changed at both doors by who shows the old one; guesses count, other log-ins end."""

from __future__ import annotations

from functools import partial

import pytest

from cluster.models import Cluster
from sysmgr.accounts.models import PasswordLink, Role, Token, User
from sysmgr.accounts.users import LINK, update_user
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from tests.conftest import client_of
from tests.together import at_once

from .calls import PASSWORD, enter_admin, enter_api, person, policy
from .people import CHANGE, NEXT, caller, change, change_page, post


@pytest.fixture
def anna(cluster: Cluster) -> User:
    policy(cluster, login_fail_retry_times=2, login_fail_punish_seconds=300)
    return person()


def test_this_token_goes_on_and_the_others_end(cluster: Cluster, anna: User) -> None:
    client, other, page = caller(), caller(), enter_admin()
    update_user(anna.pk, {}, SYSTEM, password=LINK)
    answer = change(client)
    assert (answer.status_code, answer.json()["data"]) == (200, {})
    assert client.get("/v1/system/version").status_code == 200
    assert other.get("/v1/system/version").status_code == 401 and page.get("/admin/").status_code == 302
    assert enter_api().status_code == 401 and enter_api(NEXT).status_code == 200
    assert not PasswordLink.objects.exists()
    row = AuditRow.objects.get(action="password.change")
    assert (row.user_name, row.object, row.door, row.changes) == ("anna", "user anna", "api", [])


def test_the_admins_session_goes_on_and_the_others_end(cluster: Cluster, anna: User) -> None:
    page, other, client = enter_admin(), enter_admin(), caller()
    assert change_page(page).status_code == 302
    assert page.get("/admin/").status_code == 200 and other.get("/admin/").status_code == 302
    assert client.get("/v1/system/version").status_code == 401 and Token.objects.filter(user=anna).count() == 1
    assert AuditRow.objects.get(action="password.change").door == "admin"


def test_wrong_old_ones_count_as_wrong_log_ins(cluster: Cluster, anna: User) -> None:
    client, page = caller(), enter_admin()
    refused = change(client, "wrong")
    assert (refused.status_code, refused.json()["scode"], refused.json()["desc"]) == (403, 1071, "old_password")
    assert b"The old password is wrong" in change_page(page, "wrong").content
    for answer in (change(client), change_page(page), enter_api()):
        assert answer.status_code == 429 and int(answer["Retry-After"]) > 0
    assert client.get("/v1/system/version").status_code == 200
    anna.refresh_from_db()
    assert anna.check_password(PASSWORD)
    assert AuditRow.objects.filter(action="password.change", result="refused").exists()


def test_a_right_old_one_starts_again_whatever_the_new_one_is(cluster: Cluster, anna: User) -> None:
    client = caller()
    for _ in range(3):
        assert change(client, "wrong").status_code == 403
        assert change(client, PASSWORD, "12").status_code == 400


@pytest.mark.parametrize("role", Role.values)
def test_everybody_changes_his_own(cluster: Cluster, role: str) -> None:
    person(role=role)
    assert change(caller()).status_code == 200


def test_who_has_none_and_who_sends_rubbish(cluster: Cluster) -> None:
    client = client_of(Role.AUDITOR)
    assert change(client, "x").status_code == 403
    for body in ({}, {"old_password": "x"}, {"old_password": 1, "new_password": "x"}, {"a": 1}):
        assert post(client, CHANGE, body).status_code == 400


@pytest.mark.django_db(transaction=True)
def test_of_two_changes_at_once_one_is_made(cluster: Cluster) -> None:
    person()
    clients = [caller(), caller()]
    answers = at_once([partial(change, c, new=f"{NEXT}-{n}") for n, c in enumerate(clients)])
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 200 and statuses[1] in (401, 403)


@pytest.mark.parametrize(("new", "again", "text"), [(NEXT, "other", "differ"), ("", "", "required")])
def test_the_page_wants_it_twice(cluster: Cluster, anna: User, new: str, again: str, text: str) -> None:
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": again}
    assert text in enter_admin().post("/admin/password_change/", form).content.decode()
    anna.refresh_from_db()
    assert anna.check_password(PASSWORD)
