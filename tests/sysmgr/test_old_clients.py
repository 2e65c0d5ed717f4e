"""The switches for old clients, each at the HTTP door, on and off."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster
from settings_app.models import MailSetting
from settings_app.selectors import _cache
from sysmgr import env
from sysmgr.accounts.models import Role
from sysmgr.api.models import IdempotencyKey
from sysmgr.api.old_clients import DOCUMENTED
from sysmgr.audit.models import AuditRow
from sysmgr.crypto import MASK, Secret
from sysmgr.management import health
from tests.conftest import client_of
from tests.contract.test_examples import EXAMPLES

INSPECT, UPDATE = "/v1/system/setting/inspect", "/v1/system/setting/update"
MAIL_INSPECT, MAIL_UPDATE = "/v1/system/mail_setting/inspect", "/v1/system/mail_setting/update"
SECRET = "smtp-s3cret-of-the-test"
COMMUNITY = "community-s3cret"
TARGET = {
    "name": "noc",
    "enabled": True,
    "version": "v2c",
    "host": "192.0.2.9",
    "port": 162,
    "community": COMMUNITY,
    "user": "",
    "auth_protocol": "",
    "auth_password": "",
    "priv_protocol": "",
    "priv_password": "",
}


def post(client: Client, path: str, body: Any, **headers: str) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json", headers=headers)


@pytest.fixture
def always_200(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "ALWAYS_200", True)


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "LENIENT_KEYS", True)


@pytest.fixture
def reveal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "REVEAL_SECRETS", True)


@pytest.fixture
def stored(api: Client) -> Client:
    """An administrator's client of a cluster that holds secrets."""
    changes = {"mail_setting": {"smtp_password": SECRET}, "snmp_settings": {"snmps": [TARGET]}}
    assert post(api, UPDATE, changes).status_code == 200
    return api


# SYSMGR_ALWAYS_200


def test_the_documented_paths_are_those_of_the_examples() -> None:
    assert {example["path"] for example in EXAMPLES} == DOCUMENTED


@pytest.mark.alike
@pytest.mark.parametrize("path", sorted(DOCUMENTED))
@pytest.mark.parametrize(("method", "status", "scode"), [("GET", 401, 1001), ("PUT", 401, 1001)])
def test_a_refusal_by_the_gate_is_a_200_only_with_the_switch(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, path: str, method: str, status: int, scode: int
) -> None:
    answer = Client().generic(method, path)
    assert (answer.status_code, answer.json()["scode"]) == (status, scode)
    monkeypatch.setattr(env, "ALWAYS_200", True)
    answer = Client().generic(method, path)
    assert (answer.status_code, answer.json()["scode"], answer.json()["data"]) == (200, scode, None)
    assert answer.reason_phrase == "OK"


def test_every_refusal_of_an_old_path_is_a_200_with_its_code(always_200: None, api: Client) -> None:
    auditor = client_of(Role.AUDITOR)
    assert (answer := post(auditor, UPDATE, {})).status_code == 200 and answer.json()["scode"] == 1004
    assert (answer := post(api, UPDATE, {"login_policy": {"x": 1}})).status_code == 200
    assert (answer.json()["scode"], answer.json()["desc"]) == (10001, "login_policy.x")
    assert (answer := post(api, UPDATE, {"if_revision": 99})).status_code == 200 and answer.json()["scode"] == 3001
    assert (answer := api.get(f"{INSPECT}?cluster_uuid={'0' * 8}-0000-0000-0000-{'0' * 12}")).status_code == 200
    assert answer.json()["scode"] == 2001
    assert (answer := api.get(UPDATE)).status_code == 200 and (answer.json()["scode"], answer["Allow"]) == (
        1006,
        "POST",
    )
    assert (answer := post(api, "/v1/authentication/login", {"user": "x", "password": "y"})).status_code == 200
    assert answer.json()["scode"] == 1003
    assert (answer := post(api, "/v1/authentication/no/such", {})).status_code == 200
    assert answer.json()["scode"] == 1005
    assert (answer := api.get("/v1/apikey/no/such")).status_code == 200 and answer.json()["scode"] == 1005
    text = api.post(UPDATE, "{}", content_type="text/plain")
    assert (text.status_code, text.json()["scode"]) == (200, 1008)
    foreign = api.get(INSPECT, headers={"Host": "evil.example.com"})
    assert (foreign.status_code, foreign.json()["scode"]) == (200, 10001)


def test_an_unhandled_exception_is_a_200_too(always_200: None, api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    api.raise_request_exception = False
    monkeypatch.setattr("cluster.api.version_line", lambda: 1 / 0)
    answer = api.get("/v1/system/version")
    assert (answer.status_code, answer.json()["scode"]) == (200, 10000)


def test_an_old_client_never_gets_a_304(always_200: None, api: Client) -> None:
    tag = api.get(INSPECT)["ETag"]
    again = api.get(INSPECT, headers={"If-None-Match": tag})
    assert again.status_code == 200 and again.json()["scode"] == 0


def test_what_old_clients_do_not_know_keeps_its_true_status(always_200: None, api: Client) -> None:
    assert api.get("/v1/system/no/such").status_code == 404
    assert api.get("/v1/system/upgrade/inspect").status_code == 400
    assert Client().get("/v1/system/upgrade/list").status_code == 401


# SYSMGR_LENIENT_KEYS


def test_unknown_keys_are_ignored_only_with_the_switch(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"storage_setting": {"hop_hc": 7, "hop_hd": 1}, "licence": {"a": [1]}}
    refused = post(api, UPDATE, body)
    assert (refused.status_code, refused.json()["desc"]) == (400, "storage_setting.hop_hd; licence")
    assert api.get(INSPECT).json()["data"]["storage_setting"] == {"hop_hc": 1}
    monkeypatch.setattr(env, "LENIENT_KEYS", True)
    assert post(api, UPDATE, body).json()["data"]["storage_setting"] == {"hop_hc": 7}
    ranges = {"access_control_policy": {"ip_access_control_policy": {"x": 1, "ip_ranges": {"y": 2, "ranges": []}}}}
    assert post(api, UPDATE, ranges).status_code == 200
    assert post(api, MAIL_UPDATE, {"sender_name": "n", "smtp_server_name": "x"}).json()["data"]["sender_name"] == "n"


@pytest.mark.alike
@pytest.mark.parametrize(
    "body",
    [
        b'{"storage_setting": {"hop_hc": 7, "hop_hc": 8}}',
        b'{"storage_setting": {"x": 1, "x": 2}}',
        b'{"storage_setting": {"hop_hc": "7"}}',
        b'{"storage_setting": {"hop_hc": 7.0}, "x": 1}',
        b'{"storage_setting": {"hop_hc": -1}, "x": 1}',
        b'{"storage_setting": [], "x": 1}',
        b'{"x": "\\u0000"}',
        b'{"x": "\\ud800"}',
    ],
)
def test_duplicates_wrong_types_and_values_are_refused_all_the_same(lenient: None, api: Client, body: bytes) -> None:
    assert api.post(UPDATE, body, content_type="application/json").status_code == 400
    assert api.get(INSPECT).json()["data"]["storage_setting"] == {"hop_hc": 1}


# SYSMGR_REVEAL_SECRETS


def reveals() -> list[tuple[str, list[str]]]:
    rows = AuditRow.objects.filter(action="secret.reveal").order_by("seq")
    return [(row.user_name, [change["path"] for change in row.changes]) for row in rows]


def test_without_the_switch_nobody_sees_a_secret(stored: Client) -> None:
    for path in (INSPECT, MAIL_INSPECT):
        answer = stored.get(path)
        assert SECRET not in answer.content.decode() and COMMUNITY not in answer.content.decode()
        assert MASK in answer.content.decode()
    assert reveals() == []


def test_an_administrator_sees_secrets_and_the_audit_says_so(reveal: None, stored: Client) -> None:
    before = len(reveals())
    data = stored.get(INSPECT).json()["data"]
    assert data["mail_setting"]["smtp_password"] == SECRET
    assert data["snmp_settings"]["snmps"][0]["community"] == COMMUNITY
    assert data["snmp_settings"]["snmps"][0]["auth_password"] == ""
    assert stored.get(MAIL_INSPECT).json()["data"]["smtp_password"] == SECRET
    both = ["mail_setting.smtp_password", "snmp_settings.snmps[0].community"]
    assert reveals()[before:] == [("a-administrator", both), ("a-administrator", both[:1])]
    assert SECRET not in json.dumps([row.changes for row in AuditRow.objects.all()])


def test_update_answers_show_them_too(reveal: None, stored: Client) -> None:
    before = len(reveals())
    answer = post(stored, UPDATE, {"storage_setting": {"hop_hc": 3}}).json()["data"]
    assert answer["mail_setting"]["smtp_password"] == SECRET
    assert post(stored, MAIL_UPDATE, {"sender_name": "x"}).json()["data"]["smtp_password"] == SECRET
    assert len(reveals()) == before + 2


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR])
def test_others_see_the_mask_whoever_looked_before(reveal: None, stored: Client, role: str) -> None:
    other = client_of(role)
    assert other.get(INSPECT).json()["data"]["mail_setting"]["smtp_password"] == MASK
    seen = stored.get(INSPECT)
    assert seen.json()["data"]["mail_setting"]["smtp_password"] == SECRET
    masked = other.get(INSPECT)
    assert masked.json()["data"]["mail_setting"]["smtp_password"] == MASK
    assert COMMUNITY not in masked.content.decode()
    # Two representations, two tags: none answers "not modified" for the other.
    assert seen["ETag"] != masked["ETag"]
    assert other.get(INSPECT, headers={"If-None-Match": seen["ETag"]}).status_code == 200
    assert stored.get(INSPECT, headers={"If-None-Match": masked["ETag"]}).status_code == 200
    before = len(reveals())
    assert stored.get(INSPECT, headers={"If-None-Match": seen["ETag"]}).status_code == 304
    assert len(reveals()) == before


def test_without_a_stored_secret_there_is_nothing_to_note(reveal: None, api: Client) -> None:
    assert api.get(INSPECT).json()["data"]["mail_setting"]["smtp_password"] == ""
    assert reveals() == []


def test_a_kept_answer_holds_the_mask(reveal: None, stored: Client) -> None:
    body = {"storage_setting": {"hop_hc": 4}}
    first = post(stored, UPDATE, body, **{"Idempotency-Key": "k"})
    assert first.json()["data"]["mail_setting"]["smtp_password"] == SECRET
    assert SECRET not in json.dumps(IdempotencyKey.objects.get().answer)
    again = post(stored, UPDATE, body, **{"Idempotency-Key": "k"})
    assert again["Idempotent-Replay"] == "true"
    assert again.json()["data"]["mail_setting"]["smtp_password"] == MASK


def test_a_secret_whose_key_is_lost_is_shown_as_the_mask(reveal: None, stored: Client) -> None:
    MailSetting.objects.update(smtp_password=Secret(stored="enc:1:bm9uc2Vuc2U="))
    _cache.clear()
    assert stored.get(MAIL_INSPECT).json()["data"]["smtp_password"] == MASK


# What is written about them


@pytest.mark.parametrize("switch", ["ALWAYS_200", "LENIENT_KEYS", "REVEAL_SECRETS", "LEGACY_LOGIN"])
def test_the_page_on_compatibility_names_each_switch(switch: str) -> None:
    page = (env.BASE_DIR / "docs" / "compatibility.md").read_text()
    assert f"| `SYSMGR_{switch}` |" in page
    assert getattr(env, switch) is False


def test_one_block_sets_them_all() -> None:
    block = (env.BASE_DIR / ".env.example").read_text().rpartition("\n\n")[2]
    page = (env.BASE_DIR / "docs" / "compatibility.md").read_text()
    for switch in ("ALWAYS_200", "LENIENT_KEYS", "LEGACY_LOGIN", "REVEAL_SECRETS"):
        assert f"# SYSMGR_{switch}=true " in block
        assert f"    SYSMGR_{switch}=true\n" in page


def test_doctor_says_which_are_on(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert health._switches().state == health.OK
    monkeypatch.setattr(env, "ALWAYS_200", True)
    assert (found := health._switches()).state == health.OK and "ALWAYS_200" in found.text
    monkeypatch.setattr(env, "LEGACY_LOGIN", True)
    assert (found := health._switches()).state == health.WARNING and "MD5" in found.text
    monkeypatch.setattr(env, "REVEAL_SECRETS", True)
    assert (found := health._switches()).state == health.WARNING and "SYSMGR_REVEAL_SECRETS" in found.hint
