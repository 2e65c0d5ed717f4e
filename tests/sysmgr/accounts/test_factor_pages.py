"""The second factor at the admin's door: everybody's own page, the act for administrators, read-only lists."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster
from sysmgr.accounts.models import RecoveryCode, Role, SecondFactor, User
from sysmgr.audit.models import AuditRow
from tests.pages import LANGUAGES, enter, faults, refusals, said, url

from .calls import person, policy
from .factors import ask, enrol, shown

MINE = "/admin/second_factor/"


@pytest.fixture(autouse=True)
def unlocked(cluster: Cluster) -> None:
    """Wrong codes lock nobody."""
    policy(cluster, login_fail_retry_times=0)


def act(client: Client, name: str, **form: str) -> Any:
    return client.post(MINE, {"act": name, **form}, follow=True)


def text(answer: Any) -> str:
    assert (answer.status_code, faults(answer)) == (200, [])
    found: str = answer.content.decode()
    return found


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("role", Role.values)
def test_everybody_has_his_page(role: str, language: str) -> None:
    client = enter(role, language)
    assert f'href="{MINE}"' in text(client.get("/admin/"))
    me = User.objects.get(user_name=f"the-{role}")
    text(client.get(MINE))
    begun = act(client, "enroll")
    secret = SecondFactor.objects.get(user=me).secret.reveal()
    assert secret in text(begun) and "data:image/svg+xml" in text(begun) and "no-store" in begun["Cache-Control"]
    assert secret not in text(client.get(MINE))  # shown once
    assert secret not in text(act(client, "confirm", otp="nonsense"))
    confirmed = act(client, "confirm", otp=shown(me))
    codes = re.findall("<li>([A-Z2-7-]{19})</li>", text(confirmed))
    assert len(codes) == 10 and "no-store" in confirmed["Cache-Control"]
    again = text(client.get(MINE))
    assert ": 10" in again and not [code for code in codes if code in again]
    assert said(act(client, "remove", otp=codes[0]))
    assert not SecondFactor.objects.exists()
    rows = AuditRow.objects.filter(door="admin", action__startswith="otp.").order_by("seq")
    names = ["otp.enroll", "otp.confirm", "otp.confirm", "otp.recovery", "otp.remove"]
    assert [(row.action, row.user_name) for row in rows] == [(name, me.user_name) for name in names]


def test_wrong_codes_are_told_and_count(cluster: Cluster) -> None:
    policy(cluster, login_fail_retry_times=2, login_fail_punish_seconds=300)
    client = enter(Role.OPERATOR)
    enrol(User.objects.get())
    assert "required" in refusals(act(client, "remove", otp=""))
    for _ in range(2):
        assert "wrong or was used" in refusals(act(client, "remove", otp="000000"))
    assert "locked" in refusals(act(client, "remove", otp=shown(User.objects.get())))
    assert SecondFactor.objects.exists()


def test_a_confirmed_one_is_not_enrolled_over() -> None:
    client = enter(Role.AUDITOR, "zh-hans")
    assert "没有可操作的第二因素" in refusals(act(client, "confirm", otp="123456"))
    enrol(User.objects.get())
    before = SecondFactor.objects.get().secret.reveal()
    assert "您已有第二因素" in refusals(act(client, "enroll"))
    assert SecondFactor.objects.get().secret.reveal() == before


def test_the_last_administrator_who_passes_is_told(cluster: Cluster) -> None:
    client = enter(Role.ADMINISTRATOR)
    enrol(User.objects.get())
    ask(cluster)
    assert "the last administrator who can pass" in refusals(act(client, "remove", otp=shown(User.objects.get())))


@pytest.mark.parametrize("method", ["put", "delete"])
def test_other_methods(method: str) -> None:
    assert getattr(enter(Role.OPERATOR), method)(MINE).status_code == 405


def test_strangers_and_other_sites_are_kept_out() -> None:
    assert Client().get(MINE).status_code == 302
    client = enter(Role.OPERATOR, enforce_csrf_checks=True)
    assert client.post(MINE, {"act": "enroll"}).status_code == 403
    assert not SecondFactor.objects.exists()


def test_administrators_take_another_s_away(cluster: Cluster) -> None:
    client = enter(Role.ADMINISTRATOR)
    me, bob = User.objects.get(), person("bob", Role.OPERATOR)
    page = url(User, "reset_second_factor", bob.pk)

    def offered() -> bool:
        return page in text(client.get(url(User, "change", bob.pk)))

    assert not offered()
    enrol(bob)
    enrol(me)
    ask(cluster)
    assert offered() and text(client.get(page)) and SecondFactor.objects.count() == 2
    assert said(client.post(page, follow=True)) == ["The user has no second factor any more."]
    assert list(SecondFactor.objects.values_list("user", flat=True)) == [me.pk] and not offered()
    assert AuditRow.objects.get(action="otp.reset").object == "user bob"
    assert "by one of its codes only" in refusals(client.post(url(User, "reset_second_factor", me.pk)))


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR])
def test_others_take_nobody_s_away(role: str) -> None:
    bob = person("bob")
    enrol(bob)
    client = enter(role)
    assert client.post(url(User, "reset_second_factor", bob.pk)).status_code == 403
    assert SecondFactor.objects.exists()


def test_lists_show_who_has_one_and_nothing_secret() -> None:
    bob = person("bob")
    enrol(bob)
    client = enter(Role.AUDITOR)
    code = RecoveryCode.objects.all()[0]
    shown_pages = [
        client.get(url(SecondFactor, "changelist")),
        client.get(url(SecondFactor, "change", bob.pk)),
        client.get(url(RecoveryCode, "changelist")),
        client.get(url(RecoveryCode, "change", code.pk)),
    ]
    told = "".join(map(text, shown_pages))
    assert "bob" in told
    assert [
        secret for secret in ("enc:1:", code.digest, SecondFactor.objects.get().secret.reveal()) if secret in told
    ] == []
    assert enter(Role.OPERATOR).get(url(SecondFactor, "changelist")).status_code == 403
