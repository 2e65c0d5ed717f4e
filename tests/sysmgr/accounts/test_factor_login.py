"""The second factor at both doors: asked for as the settings say, each code good once, guesses count for the lock."""

from __future__ import annotations

from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from cluster.models import Cluster
from settings_app.models import MultiAuthenticationSetting
from settings_app.policy import current_policy
from sysmgr import env, rotation
from sysmgr.accounts import factor, factor_codes
from sysmgr.accounts.models import RecoveryCode, Role, SecondFactor, Token, User
from sysmgr.audit.models import AuditRow
from sysmgr.crypto import Secret
from sysmgr.errors import LoginRefused
from tests.settings_app.admin.forms import errors, save

from .calls import PASSWORD, enter_admin, enter_api, person, policy, statuses
from .factors import SECTION, Caller, actor, ask, asked, enrol, shown


@pytest.fixture
def anna(cluster: Cluster) -> User:
    """An administrator with a second factor, which is asked for; nothing locks."""
    user = person()
    enrol(user)
    ask(cluster)
    return user


def scode(answer: Any) -> tuple[int, int]:
    return answer.status_code, answer.json()["scode"]


def notices(answer: Any) -> list[dict[str, str]]:
    found: list[dict[str, str]] = answer.json()["data"]["notices"]
    return found


def inside(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def actions(*wanted: str) -> list[tuple[str, str]]:
    rows = AuditRow.objects.filter(action__in=wanted).order_by("seq")
    return list(rows.values_list("action", "result"))


def test_enabled_binds_at_the_api(cluster: Cluster, anna: User) -> None:
    assert scode(enter_api()) == (401, 1083)
    assert scode(enter_api(otp="")) == (401, 1083) and scode(enter_api(otp="  ")) == (401, 1083)
    assert scode(enter_api(otp="000000")) == (401, 1003)
    assert not Token.objects.exists()
    assert enter_api(otp=shown(anna)).status_code == 200
    policy(cluster, SECTION, enabled=False)
    assert enter_api().status_code == 200


def test_enabled_binds_at_the_admin(cluster: Cluster, anna: User) -> None:
    without = enter_admin()
    assert not inside(without) and "one-time code is needed" in without.answer.content.decode()  # type: ignore[attr-defined]
    assert not inside(enter_admin(otp="000000"))
    assert inside(enter_admin(otp=shown(anna)))
    policy(cluster, SECTION, enabled=False)
    assert inside(enter_admin())


def test_authentication_type_binds_at_the_api(cluster: Cluster, anna: User) -> None:
    """The kind that is chosen is the kind that is taken; none is chosen only where none is asked for."""
    assert enter_api(otp=shown(anna)).status_code == 200
    caller = Caller(anna)
    refused = caller.post("system/setting/update", {SECTION: {"authentication_type": ""}})
    assert scode(refused) == (400, 10001) and refused.json()["desc"] == f"{SECTION}.authentication_type"
    assert scode(enter_api()) == (401, 1083)
    off = {"enabled": False, "authentication_type": ""}
    assert caller.post("system/setting/update", {SECTION: off}).status_code == 200
    refused = caller.post("system/setting/update", {SECTION: {"enabled": True}})
    assert scode(refused) == (400, 10001) and refused.json()["desc"] == f"{SECTION}.authentication_type"
    assert enter_api().status_code == 200


def test_authentication_type_binds_at_the_admin(cluster: Cluster, anna: User) -> None:
    assert not inside(enter_admin())
    client = enter_admin(otp=shown(anna))
    refused = save(client, MultiAuthenticationSetting, cluster, authentication_type="")
    assert "authentication_type" in errors(refused) and not inside(enter_admin())
    save(client, MultiAuthenticationSetting, cluster, enabled=None, authentication_type="")
    assert "authentication_type" in errors(save(client, MultiAuthenticationSetting, cluster, enabled="on"))
    assert inside(enter_admin())


def test_the_kind_is_what_decides(anna: User) -> None:
    policy = asked()
    policy.factor.authentication_type = ""
    factor.check(anna, "", policy, actor(anna))
    policy.factor.authentication_type = "totp"
    with pytest.raises(LoginRefused):
        factor.check(anna, "000000", policy, actor(anna))


@pytest.mark.parametrize("otp", [None, "000000"])
def test_a_wrong_password_answers_the_same_whatever_the_code(anna: User, otp: str | None) -> None:
    given = {} if otp is None else {"otp": otp}
    wrong, unknown = enter_api("wrong", **given), enter_api("wrong", "nobody", **given)
    assert (wrong.status_code, wrong.content) == (unknown.status_code, unknown.content)
    assert scode(wrong) == (401, 1003)
    with_right_code = enter_api("wrong", otp=shown(anna))
    assert with_right_code.content == wrong.content
    assert enter_api(otp=shown(anna)).status_code == 200  # a wrong password uses no code up


@pytest.mark.parametrize("enrolled", [False, True])
def test_who_never_confirmed_has_none(cluster: Cluster, anna: User, enrolled: bool) -> None:
    bob = person("bob", Role.OPERATOR)
    if enrolled:
        factor.enroll(bob, actor(bob))
    for given in ({}, {"otp": "000000"}, {"otp": shown(bob)} if enrolled else {}):
        assert scode(enter_api(name="bob", **given)) == (401, 1084)
    assert not inside(enter_admin(name="bob"))
    assert scode(enter_api("wrong", name="bob")) == (401, 1003)
    policy(cluster, SECTION, enabled=False)
    assert enter_api(name="bob").status_code == 200


def test_not_asked_for_no_code_matters(cluster: Cluster) -> None:
    user = person()
    enrol(user)
    assert enter_api().status_code == 200 and enter_api(otp="000000").status_code == 200
    assert inside(enter_admin())


def test_a_code_is_good_once_and_no_older_one_after_it(anna: User) -> None:
    code, before = shown(anna), shown(anna, -1)
    assert enter_api(otp=f" {code[:3]} {code[3:]} ").status_code == 200
    assert scode(enter_api(otp=code)) == (401, 1003)
    assert scode(enter_api(otp=before)) == (401, 1003)
    assert not inside(enter_admin(otp=code))
    assert ("otp.replay", "refused") in actions("otp.replay")


@pytest.mark.parametrize(("steps", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_neighbour_steps(anna: User, steps: int, good: bool) -> None:
    now = datetime.fromisoformat("2026-03-01T12:00:15+00:00")
    code = shown(anna, steps, now)
    if good:
        factor.check(anna, code, asked(), actor(anna), now)
    with pytest.raises(LoginRefused):
        factor.check(anna, code, asked(), actor(anna), now)


def test_after_the_next_step_s_code_the_present_one_is_refused(anna: User) -> None:
    now = datetime.fromisoformat("2026-03-01T12:00:15+00:00")
    factor.check(anna, shown(anna, 1, now), asked(), actor(anna), now)
    for steps in (1, 0, -1):
        with pytest.raises(LoginRefused):
            factor.check(anna, shown(anna, steps, now), asked(), actor(anna), now)


@pytest.mark.alike
@pytest.mark.parametrize(
    "otp", ["12345", "1234567", "abcdef", "१२३४५६", "１２３４５６", "-12345", "+12345", "1.2345", "x" * 255]
)
def test_anything_else_is_a_wrong_code(anna: User, otp: str) -> None:
    assert scode(enter_api(otp=otp)) == (401, 1003)


def test_a_recovery_code_stands_in_once(cluster: Cluster) -> None:
    user = person()
    first, second, *_rest = enrol(user)
    ask(cluster)
    (notice,) = notices(enter_api(otp=first))
    assert notice["message"] == "You came in with a recovery code; 9 are left."
    assert scode(enter_api(otp=first)) == (401, 1003)
    assert enter_api(otp=second.lower().replace("-", " ")).status_code == 200
    assert not inside(enter_admin(otp=second))
    assert notices(enter_api(otp=shown(user))) == []
    assert actions("otp.recovery", "otp.replay")[:2] == [("otp.recovery", "success"), ("otp.replay", "refused")]
    told = str(list(AuditRow.objects.values()))
    assert first not in told and first.replace("-", "") not in told


def test_few_left_are_a_notice(anna: User) -> None:
    kept = RecoveryCode.objects.filter(user=anna)[:3].values("pk")
    RecoveryCode.objects.exclude(pk__in=list(kept.values_list("pk", flat=True))).delete()
    (notice,) = notices(enter_api(otp=shown(anna)))
    assert "3 recovery codes left" in notice["message"] and "3 个恢复码" in notice["message_cn"]


def test_somebody_else_s_codes_do_not_help(anna: User) -> None:
    bob = person("bob")
    codes = enrol(bob)
    assert statuses([enter_api(otp=shown(bob)), enter_api(otp=codes[0])]) == [401, 401]
    assert enter_api(name="bob", otp=codes[0]).status_code == 200


@pytest.mark.parametrize("door", ["api", "admin"])
def test_guesses_lock(cluster: Cluster, anna: User, door: str) -> None:
    policy(cluster, login_fail_retry_times=3, login_fail_punish_seconds=300)
    for _ in range(3):
        enter_api(otp="000000") if door == "api" else enter_admin(otp="000000")
    assert scode(enter_api(otp=shown(anna))) == (429, 1065)
    assert not inside(enter_admin(otp=shown(anna)))


def test_a_missing_code_counts_for_nothing(cluster: Cluster, anna: User) -> None:
    policy(cluster, login_fail_retry_times=3, login_fail_punish_seconds=300)
    assert statuses([enter_api() for _ in range(5)]) == [401] * 5
    assert enter_api(otp=shown(anna)).status_code == 200


def test_a_secret_whose_key_is_lost_refuses_codes_and_takes_recovery_codes(cluster: Cluster) -> None:
    user = person()
    codes = enrol(user)
    ask(cluster)
    code = shown(user)
    SecondFactor.objects.update(secret=Secret(stored="enc:1:lost"))
    assert scode(enter_api(otp=code)) == (401, 1003)
    assert enter_api(otp=codes[0]).status_code == 200


def test_a_rotated_key_keeps_it_working(
    cluster: Cluster, anna: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(env, "DATA_DIR", tmp_path)
    monkeypatch.setattr(rotation, "RETIRE_AFTER_SECONDS", 0)
    SecondFactor.objects.update(secret=Secret(clear=factor_codes.new_secret()))
    code, before = shown(anna), stored()
    for words in ((), ("--retire",)):
        call_command("rotate_secret_key", *words, "--json", stdout=StringIO())
    assert stored() != before
    assert enter_api(otp=code).status_code == 200


def stored() -> str:
    """Return the one secret as the database has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM accounts_secondfactor")
        sealed: str = cursor.fetchone()[0]
    assert sealed.startswith("enc:1:")
    return sealed


def test_what_is_secret_is_in_no_repr(anna: User) -> None:
    bob = person("bob")
    made = factor.enroll(bob, actor(bob))
    assert made.secret not in repr(made) and made.secret not in repr(SecondFactor.objects.get(user=bob).secret)
    assert current_policy() and PASSWORD not in repr(made)
