"""The log-in of old clients: the MD5 opens nothing before it may, and nothing while the switch is off."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster
from sysmgr import env
from sysmgr.accounts import hashing, keys
from sysmgr.accounts.models import ApiKey, Token, User
from sysmgr.audit.services import SYSTEM
from sysmgr.management import health
from tests.contract.described import DescribedClient

from .calls import PASSWORD, enter_admin, enter_api, person, policy
from .factors import ask, enrol

MD5 = hashlib.md5(PASSWORD.encode(), usedforsecurity=False).hexdigest()


@pytest.fixture(autouse=True)
def switch(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch is on, and nothing locks."""
    policy(cluster, login_fail_retry_times=0)
    monkeypatch.setattr(env, "LEGACY_LOGIN", True)


def old(password: str = MD5, **more: Any) -> Any:
    body = json.dumps({"User": "anna", "Tenant": "t", "Password": password, **more})
    return DescribedClient().post("/v1/authentication/login", body, content_type="application/json")


def test_the_md5_opens_once_the_password_was_set_with_the_switch_on() -> None:
    person()
    answer = old()
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert (data["role"], data["tenant"], data["enable_ldap"]) == ("administrator", "t", 0)
    assert Token.objects.get().legacy


def test_before_the_first_plain_log_in_it_is_a_401(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "LEGACY_LOGIN", False)
    person()
    monkeypatch.setattr(env, "LEGACY_LOGIN", True)
    assert old().status_code == 401
    assert enter_api().status_code == 200
    assert old().status_code == 200
    monkeypatch.setattr(env, "LEGACY_LOGIN", False)
    assert enter_api(MD5).status_code == 401
    assert enter_api().status_code == 200


def test_the_mark_goes_with_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    user = person()
    assert User.objects.get().legacy_password
    monkeypatch.setattr(env, "LEGACY_LOGIN", False)
    user.set_password("Another-Horse-8")
    user.save()
    monkeypatch.setattr(env, "LEGACY_LOGIN", True)
    assert old().status_code == 401


def test_the_stored_hash_of_the_md5_opens_nothing_by_itself() -> None:
    user = person()
    for guess in (user.legacy_password, user.password, MD5.upper(), MD5[:-1]):
        assert enter_api(guess).status_code == 401


def test_a_key_that_stands_twice_is_refused() -> None:
    person()
    body = json.dumps({"User": "anna", "user": "bert", "Password": MD5})
    answer = Client().post("/v1/authentication/login", body, content_type="application/json")
    assert answer.status_code == 400


def test_nor_is_it_taken_where_unknown_keys_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "LENIENT_KEYS", True)
    person()
    body = json.dumps({"User": "anna", "user": "bert", "password": PASSWORD})
    answer = Client().post("/v1/authentication/login", body, content_type="application/json")
    assert (answer.status_code, answer.json()["desc"]) == (400, "user")


def test_it_opens_the_api_only() -> None:
    person()
    client = enter_admin(MD5)
    assert client.get("/admin/").status_code == 302
    assert enter_admin().get("/admin/").status_code == 200
    token = old().json()["data"]["token"]
    body = json.dumps({"old_password": MD5, "new_password": "Another-Horse-8"})
    client = DescribedClient(headers={"Authorization": f"Bearer {token}"})
    answer = client.post("/v1/authentication/password/change", body, content_type="application/json")
    assert (answer.status_code, answer.json()["scode"]) == (403, 1071)
    assert enter_api().status_code == 200


def test_the_second_factor_is_asked_of_old_clients_too(cluster: Cluster) -> None:
    user = person()
    enrol(user)
    ask(cluster)
    assert (old().status_code, old().json()["scode"]) == (401, 1083)


def test_as_many_hashes_whoever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    person()
    person("off", is_active=False)
    seen: list[str] = []
    real = hashing.matches

    def counted(said: str, kept: str) -> bool:
        seen.append(said)
        return real(said, kept)

    monkeypatch.setattr(hashing, "matches", counted)
    for name in ("anna", "off", "nobody"):
        for said, hashes in (("0" * 32, 2), ("wrong", 1)):
            seen.clear()
            assert (enter_api(said, name).status_code, len(seen)) == (401, hashes), name


def test_doctor_counts_the_marks_also_while_the_switch_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    user = person()
    finding = health._switches()
    assert finding.state == health.WARNING and "for 1 users" in finding.text
    monkeypatch.setattr(env, "LEGACY_LOGIN", False)
    finding = health._switches()
    assert finding.state == health.WARNING and "kept for 1 users" in finding.text
    user.set_password("Another-Horse-8")
    user.save()
    assert health._switches().state == health.OK


def test_a_guess_of_the_md5_counts_for_the_lock(cluster: Cluster) -> None:
    policy(cluster, login_fail_retry_times=1, login_fail_punish_seconds=60)
    person()
    assert [old("0" * 32).status_code, old().status_code] == [401, 429]


def test_such_a_client_sees_no_key_makes_one_and_replaces_its_oldest() -> None:
    user = person()
    client = DescribedClient(headers={"Authorization": f"Bearer {old().json()['data']['token']}"})
    for _ in range(18):
        keys.create_key(user.pk, keys.Wanted(), SYSTEM)
    made = []
    for _ in range(4):
        assert client.get("/v1/apikey/list").json()["data"] == {"total_count": 0, "list": []}
        answer = client.post("/v1/apikey/create", "{}", content_type="application/json")
        made.append(answer.json()["data"]["key_uuid"])
    assert ApiKey.objects.count() == 20
    assert {str(key.pk) for key in ApiKey.objects.filter(legacy=True)} == set(made[2:])
