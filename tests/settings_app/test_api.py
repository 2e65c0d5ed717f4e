"""Settings at the API door: what is stored, what is refused, what is never lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from cluster.models import Cluster
from settings_app.models import LoginPolicy, MailSetting, SettingRevision
from sysmgr.audit.models import AuditRow

UPDATE = "/v1/system/setting/update"
INSPECT = "/v1/system/setting/inspect"
TARGET = {
    "name": "a",
    "enabled": True,
    "version": "v2c",
    "host": "192.0.2.1",
    "port": 162,
    "community": "very-public",
    "user": "",
    "auth_protocol": "",
    "auth_password": "",
    "priv_protocol": "",
    "priv_password": "",
}


def post(api: Client, body: Any, path: str = UPDATE, **headers: str) -> Any:
    raw = body if isinstance(body, str | bytes) else json.dumps(body)
    return api.post(path, raw, content_type="application/json", headers=headers)


def test_a_change_is_stored_revised_and_audited(api: Client, cluster: Cluster) -> None:
    answer = post(api, {"login_policy": {"login_fail_retry_times": 7}, "reason": "stricter"})
    assert answer.json()["data"]["login_policy"]["login_fail_retry_times"] == 7
    assert LoginPolicy.objects.get(cluster=cluster).login_fail_retry_times == 7
    revision = SettingRevision.objects.filter(cluster=cluster).first()
    assert revision is not None
    assert (revision.number, revision.author, revision.door) == (2, "a-administrator", "api")
    assert revision.diff == [{"path": "login_policy.login_fail_retry_times", "from": 1, "to": 7}]
    assert AuditRow.objects.filter(action="setting.update").count() == 2


def test_a_change_that_changes_nothing_makes_no_revision(api: Client, cluster: Cluster) -> None:
    shown = api.get(INSPECT).json()["data"]
    assert post(api, shown).status_code == 200
    assert SettingRevision.objects.filter(cluster=cluster).count() == 1


@pytest.mark.alike
@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"login_policy": {"login_fail_retry_times": "5"}}, "login_policy.login_fail_retry_times"),
        ({"login_policy": {"login_fail_retry_times": 5.0}}, "login_policy.login_fail_retry_times"),
        ({"login_policy": {"login_fail_retry_times": True}}, "login_policy.login_fail_retry_times"),
        ({"login_policy": {"login_fail_retry_times": None}}, "login_policy.login_fail_retry_times"),
        ({"login_policy": {"login_fail_retry_times": 101}}, "login_policy.login_fail_retry_times"),
        ({"login_policy": {"login_fail_retry_times": -1}}, "login_policy.login_fail_retry_times"),
        ({"login_policy": {"token_expire_second": 59}}, "login_policy.token_expire_second"),
        ({"login_policy": {"no_such": 1}}, "login_policy.no_such"),
        ({"login_policy": []}, "login_policy"),
        ({"no_such": {}}, "no_such"),
        ({"mail_setting": {"enabled": "yes"}}, "mail_setting.enabled"),
        ({"mail_setting": {"smtp_server_ip": "10.0.0.300"}}, "mail_setting.smtp_server_ip"),
        ({"mail_setting": {"sender_name": "a\u0000b"}}, "mail_setting.sender_name"),
        ({"mail_setting": {"sender_name": "x" * 256}}, "mail_setting.sender_name"),
        (
            {"password_complexity_policy": {"password_max_expired_age": 3, "password_expired_warn_age": 4}},
            "password_complexity_policy.password_expired_warn_age",
        ),
        (
            {"multi_authentication_setting": {"enabled": True}},
            "multi_authentication_setting.authentication_type",
        ),
        (
            {"access_control_policy": {"ip_access_control_policy": {"ip_ranges": {"ranges": ["10.0.0.1", "x"]}}}},
            "access_control_policy.ip_access_control_policy.ip_ranges.ranges[1]",
        ),
        (
            {
                "access_control_policy": {
                    "time_access_control_policy": {
                        "enabled": True,
                        "time_zone": "UTC",
                        "whitelist": True,
                        "windows": [{"days": [1], "start": "25:00", "end": "01:00"}],
                    }
                }
            },
            "access_control_policy.time_access_control_policy.windows[0].start",
        ),
        (
            {"access_control_policy": {"time_access_control_policy": {"enabled": True, "time_zone": "UTC"}}},
            "access_control_policy.time_access_control_policy.whitelist; "
            "access_control_policy.time_access_control_policy.windows",
        ),
        ({"front_style_setting": {"navigate_color": "red"}}, "front_style_setting.navigate_color"),
        ({"front_style_setting": {"login_url": "javascript:alert(1)"}}, "front_style_setting.login_url"),
        ({"front_style_setting": {"login_url": "http://\\\\host"}}, "front_style_setting.login_url"),
        ({"front_style_setting": {"login_url": "http://a:99999/"}}, "front_style_setting.login_url"),
        ({"storage_setting": {"hop_hc": 2147483648}}, "storage_setting.hop_hc"),
        ({"snmp_settings": {"snmps": [{**TARGET, "port": 0}]}}, "snmp_settings.snmps[0].port"),
        ({"snmp_settings": {"snmps": [TARGET, TARGET]}}, "snmp_settings.snmps[1].name"),
        ({"password_special_char": "abc"}, "password_special_char"),
    ],
)
def test_wrong_values_are_refused_with_their_path(
    api: Client, cluster: Cluster, body: dict[str, Any], path: str
) -> None:
    answer = post(api, body)
    assert (answer.status_code, answer.json()["scode"]) == (400, 10001)
    assert answer.json()["desc"] == path
    assert answer.json()["message"] != answer.json()["message_cn"]
    assert SettingRevision.objects.filter(cluster=cluster).count() == 1


@pytest.mark.alike
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{",
        b'{"login_policy": {}, "login_policy": {}}',
        b'{"storage_setting": {"hop_hc": NaN}}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 30 + b"1" + b"}" * 30,
        b'{"mail_setting": {"sender_name": "\\ud800"}}',
    ],
)
def test_bodies_that_are_no_strict_json_are_refused(api: Client, raw: bytes) -> None:
    assert post(api, raw).status_code == 400


def test_other_media_types_and_too_large_bodies_are_refused(api: Client) -> None:
    assert api.post(UPDATE, "a=b", content_type="application/x-www-form-urlencoded").status_code == 415
    assert post(api, "{}" + " " * (1024 * 1024)).status_code == 413


def test_secrets_are_masked_kept_and_never_told(api: Client, cluster: Cluster) -> None:
    mail = {"smtp_server_ip": "smtp.example.com", "smtp_password": "hunter-2-secret"}
    assert post(api, {"mail_setting": mail}).json()["data"]["mail_setting"]["smtp_password"] == "********"
    assert MailSetting.objects.get(cluster=cluster).smtp_password.reveal() == "hunter-2-secret"
    post(api, {"mail_setting": {"smtp_password": "********", "sender_name": "x"}})
    assert MailSetting.objects.get(cluster=cluster).smtp_password.reveal() == "hunter-2-secret"
    refused = post(api, {"mail_setting": {"smtp_server_ip": "evil.example.com"}})
    assert (refused.status_code, refused.json()["desc"]) == (400, "mail_setting.smtp_password")
    told = json.dumps(list(SettingRevision.objects.values_list("diff", "snapshot")))
    told += json.dumps(list(AuditRow.objects.values_list("changes", flat=True)))
    assert "hunter-2-secret" not in told


def test_snmp_targets_are_replaced_whole_and_keep_masked_secrets(api: Client) -> None:
    shown = post(api, {"snmp_settings": {"snmps": [TARGET]}}).json()["data"]["snmp_settings"]["snmps"]
    assert shown == [{**TARGET, "community": "********"}]
    assert post(api, {"snmp_settings": {"snmps": shown}}).status_code == 200
    moved = post(api, {"snmp_settings": {"snmps": [{**shown[0], "host": "192.0.2.2"}]}})
    assert moved.json()["desc"] == "snmp_settings.snmps[0].community"
    assert post(api, {"snmp_settings": {"snmps": None}}).json()["data"]["snmp_settings"] == {"snmps": None}


def test_if_revision_refuses_the_second_writer(api: Client) -> None:
    assert api.get(INSPECT)["Sysmgr-Revision"] == "1"
    assert post(api, {"if_revision": 1, "storage_setting": {"hop_hc": 2}}).status_code == 200
    second = post(api, {"if_revision": 1, "storage_setting": {"hop_hc": 3}})
    assert (second.status_code, second.json()["scode"], second.json()["desc"]) == (409, 3001, "if_revision")


def test_a_repeated_idempotency_key_gets_the_first_answer(api: Client, cluster: Cluster) -> None:
    body = {"storage_setting": {"hop_hc": 9}}
    key = {"Idempotency-Key": "k-1"}
    first = api.post(UPDATE, json.dumps(body), content_type="application/json", headers=key)
    again = api.post(UPDATE, json.dumps(body), content_type="application/json", headers=key)
    other = api.post(UPDATE, "{}", content_type="application/json", headers=key)
    assert (first.status_code, again.json(), other.status_code) == (200, first.json(), 409)
    assert SettingRevision.objects.filter(cluster=cluster).count() == 2


def test_inspect_costs_one_query_when_nothing_changed_and_four_when_it_did(
    api: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    post(api, {"storage_setting": {"hop_hc": 4}})
    # gate (token, user, clusters, revision) · policy that the doors obey · sections · SNMP targets
    with django_assert_num_queries(4):
        api.get(INSPECT)
    with django_assert_num_queries(1):
        answer = api.get(INSPECT)
    assert answer.json()["data"]["storage_setting"] == {"hop_hc": 4}
    unchanged = api.get(INSPECT, headers={"If-None-Match": answer["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_the_cluster_may_be_named_once(api: Client, cluster: Cluster) -> None:
    assert api.get(f"{INSPECT}?cluster_uuid={cluster.pk}").status_code == 200
    other = "00000000-0000-4000-8000-000000000000"
    assert api.get(f"{INSPECT}?cluster_uuid={other}").json()["scode"] == 2001
    assert api.get(f"{INSPECT}?cluster_uuid=nonsense").status_code == 400
    assert post(api, {"cluster_uuid": other}, f"{UPDATE}?cluster_uuid={cluster.pk}").status_code == 400
