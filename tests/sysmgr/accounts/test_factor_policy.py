"""Asking for a second factor: nobody locks himself or everybody out, and what it does is told before."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from cluster.models import Cluster
from settings_app.models import MultiAuthenticationSetting
from settings_app.services import create_defaults
from sysmgr.accounts import factor, tokens
from sysmgr.accounts.models import ApiKey, Role, SecondFactor, Token, User
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from sysmgr.events.models import Alert, Event
from sysmgr.management import standing
from tests.contract.described import DescribedClient
from tests.pages import enter
from tests.settings_app.admin.forms import save

from .calls import enter_api, person, policy
from .factors import SECTION, Caller, actor, ask, enrol

ON = {SECTION: {"enabled": True, "authentication_type": "totp"}}
HARD, SOFT = (409, 3051), (409, 3050)


@pytest.fixture
def anna(cluster: Cluster) -> User:
    """An administrator."""
    policy(cluster, login_fail_retry_times=0)
    return person()


def scode(answer: Any) -> tuple[int, int]:
    return answer.status_code, answer.json()["scode"]


def update(caller: Caller, **more: Any) -> Any:
    return caller.post("system/setting/update", {**ON, **more})


def on() -> bool:
    return MultiAuthenticationSetting.objects.filter(enabled=True).exists()


def command(name: str, *words: str) -> Any:
    out = StringIO()
    call_command(name, *words, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_nobody_could_pass(anna: User) -> None:
    person("boris")
    person("off", is_active=False)
    enrol(person("olga", Role.OPERATOR))
    factor.enroll(anna, actor(anna))  # never confirmed
    for more in ({}, {"confirm_lockout": True}, {"confirm_within_seconds": 60}):
        refused = update(Caller(anna), **more)
        assert scode(refused) == HARD and refused.json()["desc"] == f"{SECTION}.enabled"
        for text in (refused.json()["message"], refused.json()["message_cn"]):
            assert "anna" in text and "boris" in text and "olga" not in text and "off" not in text.split()
    assert not on()


def test_ten_names_are_named(anna: User) -> None:
    for number in range(12):
        person(f"boss-{number:02}")
    told = update(Caller(anna)).json()
    assert "anna, boss-00" in told["message"] and "and 3 more" in told["message"] and "boss-09" not in told["message"]
    assert "等 13 人" in told["message_cn"]


def test_the_author_could_not(anna: User) -> None:
    enrol(person("boris"))
    refused = update(Caller(anna))
    assert scode(refused) == SOFT and "you (anna)" in refused.json()["message"] and not on()
    assert update(Caller(anna), confirm_lockout=True).status_code == 200
    assert scode(enter_api()) == (401, 1084)


def test_who_has_one_asks_for_one_and_sessions_live_on(anna: User) -> None:
    enrol(anna)
    bob = person("bob", Role.OPERATOR)
    callers = [Caller(anna), Caller(bob)]
    assert update(callers[0]).status_code == 200
    assert [caller.client.get("/v1/system/version").status_code for caller in callers] == [200, 200]
    assert Token.objects.count() == 2


def test_what_is_asked_for_already_is_refused_to_nobody(cluster: Cluster, anna: User) -> None:
    enrol(anna)
    ask(cluster)
    factor.reset(anna, actor(anna, "command"))
    assert (
        Caller(anna).post("system/setting/update", {"login_policy": {"login_fail_retry_times": 9}}).status_code == 200
    )


def test_the_admin_s_form_is_held_too(cluster: Cluster) -> None:
    client = enter(Role.ADMINISTRATOR)
    form = {"enabled": "on", "authentication_type": "totp"}
    told = save(client, MultiAuthenticationSetting, cluster, **form).content.decode()
    assert "administrator could log in any more" in told and not on()
    enrol(User.objects.get(user_name="the-administrator"))
    assert save(client, MultiAuthenticationSetting, cluster, **form).status_code == 302 and on()


def test_another_default_cluster_that_asks_for_one(cluster: Cluster, anna: User) -> None:
    other = Cluster.objects.create(name="other")
    create_defaults(other, SYSTEM)
    policy(other, SECTION, enabled=True, authentication_type="totp")  # stored; the doors do not obey it
    body = {"cluster_uuid": str(other.pk), "default": True}
    assert scode(Caller(anna).post("system/cluster/update", body)) == HARD
    enrol(person("boris"))
    assert scode(Caller(anna).post("system/cluster/update", body)) == SOFT
    assert Caller(anna).post("system/cluster/update", {**body, "confirm_lockout": True}).status_code == 200
    assert scode(enter_api()) == (401, 1084)


def test_commands_are_let_through_and_an_alert_stands_while_nobody_could(cluster: Cluster, anna: User) -> None:
    command("settings_set", f"{SECTION}.enabled=true", f"{SECTION}.authentication_type=totp")
    assert on()
    alerts = Alert.objects.filter(key="installation.second_factor", close_time=None)
    standing.show()
    assert alerts.exists()
    enrol(anna)
    standing.show()
    assert not alerts.exists()


def effects(caller: Caller, body: Any) -> list[str]:
    told = caller.post("system/setting/preview", body).json()["data"]["effects"]
    return [effect["message"] for effect in told if "factor" in effect["message"] or "codes" in effect["message"]]


def test_preview_names_who_could_not_log_in(cluster: Cluster, anna: User) -> None:
    enrol(anna)
    person("bob", Role.OPERATOR)
    caller = Caller(anna)
    said = effects(caller, ON)
    assert len(said) == 3 and said[1].endswith(": bob.") and "sessions and keys for programs go on" in said[0]
    assert "nothing stops" in said[2]
    assert effects(caller, {"login_policy": {"login_fail_retry_times": 5}}) == []
    policy(cluster, login_fail_retry_times=5)
    ask_on = update(caller)
    assert ask_on.status_code == 200
    assert len(effects(caller, {SECTION: {"enabled": False}})) == 1
    assert Caller(person("boris")).post("system/setting/preview", ON).json()["data"]["refusals"] == []


def test_preview_says_what_would_be_refused(anna: User) -> None:
    told = Caller(anna).post("system/setting/preview", ON).json()["data"]["refusals"]
    assert "anna" in str(told)


@pytest.mark.parametrize("change", [{"role": "operator"}, {"enabled": False}])
def test_the_last_administrator_who_passes_stays_one(cluster: Cluster, anna: User, change: dict[str, Any]) -> None:
    enrol(anna)
    ask(cluster)
    boris = Caller(person("boris"))
    body = {"user_uuid": str(anna.pk), **change}
    assert scode(boris.post("system/user/update", body)) == (409, 1095)
    assert scode(boris.post("system/user/remove", {"user_uuid": str(anna.pk)})) == (409, 1095)
    enrol(User.objects.get(user_name="boris"))
    assert boris.post("system/user/update", body).status_code == 200


def test_the_command_takes_it_away_whoever_s_it_is(cluster: Cluster, anna: User) -> None:
    enrol(anna)
    ask(cluster)
    assert command("reset_second_factor", "anna") == {"user_name": "anna", "removed": True}
    assert command("reset_second_factor", "anna") == {"user_name": "anna", "removed": False}
    assert not SecondFactor.objects.exists() and not anna.recovery_codes.exists()
    assert AuditRow.objects.filter(action="otp.reset", door="command").count() == 1
    assert Event.objects.filter(kind="account.second_factor_reset", subject=anna.pk).count() == 1
    with pytest.raises(CommandError, match="no such user"):
        command("reset_second_factor", "nobody")


def test_keys_for_programs_need_none(cluster: Cluster, anna: User) -> None:
    enrol(anna)
    ask(cluster)
    bob = person("bob", Role.OPERATOR)  # has none and can't log in
    clear = f"smk_{'k' * 43}"
    ApiKey.objects.create(user=bob, digest=tokens.digest(clear), role=Role.OPERATOR, create_time=timezone.now())
    answer = DescribedClient(headers={"ApiKey": clear}).get("/v1/system/version")
    assert answer.status_code == 200 and scode(enter_api(name="bob")) == (401, 1084)


def test_after_a_reset_one_enrols_anew(anna: User) -> None:
    old = enrol(anna)
    factor.reset(anna, actor(anna, "command"))
    fresh = enrol(anna)
    caller = Caller(anna)
    assert scode(caller.otp("remove", otp=old[0])) == (400, 10001)
    assert caller.otp("remove", otp=fresh[0]).status_code == 200
