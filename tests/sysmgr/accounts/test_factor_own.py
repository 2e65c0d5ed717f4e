"""One's own second factor at the API: enrolled, confirmed, removed; guesses count, nothing secret is kept or told."""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cluster.models import Cluster
from sysmgr.accounts.models import LoginGuard, RecoveryCode, Role, SecondFactor, Token, User
from sysmgr.audit.models import AuditRow
from sysmgr.events.models import Event

from .calls import enter_api, person, policy
from .factors import Caller, ask, enrol, shown


@pytest.fixture
def anna(cluster: Cluster) -> User:
    """An administrator."""
    policy(cluster, login_fail_retry_times=0)
    return person()


def scode(answer: Any) -> tuple[int, int]:
    return answer.status_code, answer.json()["scode"]


def actions() -> list[str]:
    return list(AuditRow.objects.filter(action__startswith="otp.").order_by("seq").values_list("action", flat=True))


@pytest.mark.parametrize("role", Role.values)
def test_everybody_enrols_confirms_and_removes_his_own(cluster: Cluster, anna: User, role: str) -> None:
    user = person("bob", role)
    caller = Caller(user)
    begun = caller.otp("enroll").json()["data"]
    assert list(begun) == ["secret", "otpauth_uri", "qr_svg"]
    confirmed = caller.otp("confirm", otp=shown(user)).json()["data"]
    assert len(set(confirmed["recovery_codes"])) == 10
    assert caller.otp("remove", otp=shown(user, 1)).json()["data"] == {}
    assert not SecondFactor.objects.exists() and not RecoveryCode.objects.exists()
    assert actions() == ["otp.enroll", "otp.confirm", "otp.remove"]


def test_what_an_authenticator_is_told(anna: User) -> None:
    User.objects.filter(pk=anna.pk).update(user_name="an na:é")
    anna.refresh_from_db()
    begun = Caller(anna).otp("enroll").json()["data"]
    uri = urlsplit(begun["otpauth_uri"])
    said = {key: value for key, (value,) in parse_qs(uri.query).items()}
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert unquote(uri.path) == f"/{said['issuer']}:an na:é" and said["issuer"].startswith("sysmgr ")
    del said["issuer"]
    assert said == {"secret": begun["secret"], "algorithm": "SHA1", "digits": "6", "period": "30"}
    assert len(base64.b32decode(begun["secret"])) == 20
    assert begun["qr_svg"].startswith("data:image/svg+xml") and "script" not in begun["qr_svg"]


def test_nothing_secret_is_stored_in_clear_or_told(anna: User) -> None:
    caller = Caller(anna)
    with CaptureQueriesContext(connection) as queries:
        secret = caller.otp("enroll").json()["data"]["secret"]
        code = shown(anna)
        codes = caller.otp("confirm", otp=code).json()["data"]["recovery_codes"]
        caller.otp("remove", otp=codes[0])
    sent = " ".join(query["sql"] for query in queries)
    told = str(list(AuditRow.objects.values())) + str(list(Event.objects.values()))
    assert all(re.fullmatch("([A-Z2-7]{4}-){3}[A-Z2-7]{4}", text) for text in codes)
    assert [text for text in (secret, *codes) if text in sent or text in told] == []
    assert [text for text in codes if text.replace("-", "") in sent] == []
    assert code not in told


def test_an_unconfirmed_one_is_replaced_and_a_confirmed_one_stays(anna: User) -> None:
    caller = Caller(anna)
    first = caller.otp("enroll").json()["data"]["secret"]
    old = shown(anna)
    second = caller.otp("enroll").json()["data"]["secret"]
    assert first != second and scode(caller.otp("confirm", otp=old)) == (400, 10001)
    assert caller.otp("confirm", otp=shown(anna)).status_code == 200
    for again in (caller.otp("enroll"), caller.otp("confirm", otp=shown(anna, 1))):
        assert scode(again) == (409, 1085)
    assert SecondFactor.objects.get().secret.reveal() == second


def test_without_one_there_is_nothing_to_confirm_or_remove(anna: User) -> None:
    caller = Caller(anna)
    assert scode(caller.otp("confirm", otp="123456")) == (409, 1086)
    assert scode(caller.otp("remove", otp="123456")) == (409, 1086)
    caller.otp("enroll")
    assert scode(caller.otp("remove", otp=shown(anna))) == (409, 1086)


@pytest.mark.alike
@pytest.mark.parametrize(
    ("verb", "body", "path"),
    [
        ("enroll", {"secret": "x"}, "secret"),
        ("confirm", {}, "otp"),
        ("confirm", {"otp": 123456}, "otp"),
        ("confirm", {"otp": ""}, "otp"),
        ("remove", {"otp": "x" * 256}, "otp"),
        ("remove", {"otp": "1", "user": "bob"}, "user"),
        ("remove", {"otp": "1\x002"}, "otp"),
    ],
)
def test_bad_bodies(anna: User, verb: str, body: dict[str, Any], path: str) -> None:
    answer = Caller(anna).post(f"authentication/otp/{verb}", body)
    assert scode(answer) == (400, 10001) and path in answer.json()["desc"]


def test_a_code_that_confirmed_is_used_up(cluster: Cluster, anna: User) -> None:
    caller = Caller(anna)
    caller.otp("enroll")
    code = shown(anna)
    caller.otp("confirm", otp=code)
    assert scode(caller.otp("remove", otp=code)) == (400, 10001)
    ask(cluster)
    assert scode(enter_api(otp=code)) == (401, 1003)
    assert actions()[-1] == "otp.replay"  # the second one within the minute is counted, not written


@pytest.mark.parametrize("how", ["blanks", "recovery"])
def test_removed_by_either_kind_of_code(anna: User, how: str) -> None:
    codes = enrol(anna)
    code = shown(anna)
    otp = f"{code[:3]} {code[3:]}" if how == "blanks" else codes[3]
    caller = Caller(anna)
    assert scode(caller.otp("remove", otp="AAAA-AAAA-AAAA-AAAA")) == (400, 10001)
    assert caller.otp("remove", otp=otp).status_code == 200
    assert scode(caller.otp("remove", otp=otp)) == (409, 1086)


@pytest.mark.parametrize("verb", ["confirm", "remove"])
def test_guesses_lock_and_a_right_code_forgives_none(cluster: Cluster, anna: User, verb: str) -> None:
    policy(cluster, login_fail_retry_times=3, login_fail_punish_seconds=300)
    caller = Caller(anna)
    if verb == "remove":
        enrol(anna)
    else:
        caller.otp("enroll")
    assert [caller.otp(verb, otp=otp).status_code for otp in ("000000", "nonsense")] == [400, 400]
    if verb == "confirm":
        assert caller.otp(verb, otp=shown(anna)).status_code == 200
    assert LoginGuard.objects.get().failures == 2
    assert enter_api("wrong").status_code == 401
    locked = caller.otp("remove", otp=shown(anna, 1))
    assert scode(locked) == (429, 1065) and int(locked["Retry-After"]) > 200
    assert enter_api().status_code == 429
    assert SecondFactor.objects.exists() and f"otp.{verb}" in actions()


def test_only_with_a_token_of_ones_own(anna: User) -> None:
    caller = Caller(anna)
    Token.objects.all().delete()
    for verb in ("enroll", "confirm", "remove"):
        assert caller.otp(verb, otp="1").status_code == 401


def test_the_last_administrator_who_passes_keeps_his(cluster: Cluster, anna: User) -> None:
    enrol(anna)
    ask(cluster)
    caller = Caller(anna)
    code = shown(anna)
    refused = caller.otp("remove", otp=code)
    assert scode(refused) == (409, 1095) and "anna" in refused.json()["message"]
    enrol(person("bob", Role.OPERATOR))
    assert caller.otp("remove", otp=code).status_code == 409
    second = person("carol")
    enrol(second)
    User.objects.filter(pk=second.pk).update(is_active=False)
    assert caller.otp("remove", otp=code).status_code == 409
    User.objects.filter(pk=second.pk).update(is_active=True)
    assert caller.otp("remove", otp=code).status_code == 200  # what was refused used no code up
    assert scode(enter_api()) == (401, 1084)


def test_while_none_is_asked_for_the_last_one_goes(cluster: Cluster, anna: User) -> None:
    enrol(anna)
    assert Caller(anna).otp("remove", otp=shown(anna)).status_code == 200
