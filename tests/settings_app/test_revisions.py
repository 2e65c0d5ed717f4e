"""Revisions at the API door: listed, shown, brought back whole or by section, with the secrets of now."""

from __future__ import annotations

import importlib
import json
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from cluster.models import Cluster
from settings_app.models import FrontStyleSetting, MailSetting, SettingRevision, SnmpTarget
from settings_app.services import create_defaults
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from tests.conftest import client_of

from .steps import HOP, PATH, PENDING, RESTORE, TRIES, UPDATE, doors, get, leaves_no_trace, post, stored
from .test_api import TARGET

LIST, INSPECT = "setting/revision/list", "setting/revision/inspect"
SERVER = {"smtp_server_ip": "a.example.com", "smtp_password": "hunter-1"}


def test_the_list_shows_the_newest_first(api: Client, cluster: Cluster) -> None:
    post(api, UPDATE, {**HOP, "reason": "more hops"})
    post(api, UPDATE, {**TRIES, "mail_setting": {"smtp_password": "hunter"}})
    found = get(api, LIST)
    assert [row["revision"] for row in found["list"]] == [3, 2, 1]
    assert found["total_count"] == 3
    newest, second, first = found["list"]
    assert newest["paths"] == [PATH, "mail_setting.smtp_password"]
    row = SettingRevision.objects.get(cluster=cluster, number=2)
    assert second == {
        "revision": 2,
        "author": "a-administrator",
        "door": "api",
        "time": int(row.time.timestamp()),
        "reason": "more hops",
        "paths": ["storage_setting.hop_hc"],
        "kind": "update",
        "source": "127.0.0.1",
        "of_revision": None,
    }
    assert (first["kind"], first["paths"]) == ("created", [])
    assert [row["revision"] for row in get(api, f"{LIST}?page_num=1&page_size=2")["list"]] == [1]
    assert [row["revision"] for row in get(api, f"{LIST}?filter_name=HOPS")["list"]] == [2]


def test_inspect_shows_the_difference_and_no_secret(api: Client) -> None:
    post(api, UPDATE, {**HOP, "mail_setting": {"smtp_password": "hunter"}, "snmp_settings": {"snmps": [TARGET]}})
    found = get(api, f"{INSPECT}?revision=2")
    assert list(found)[-1] == "diff"
    diff = {entry["path"]: (entry["from"], entry["to"]) for entry in found["diff"]}
    assert diff == {
        "mail_setting.smtp_password": (None, "changed"),
        "storage_setting.hop_hc": (1, 7),
        "snmp_settings.snmps": (None, [{**TARGET, "community": "********"}]),
        "snmp_settings.snmps[0].community": (None, "changed"),
    }
    for query, status in (("", 400), ("?revision=x", 400), ("?revision=0", 400), ("?revision=9", 404)):
        assert api.get(f"/v1/system/{INSPECT}{query}").status_code == status


@pytest.mark.parametrize("revisions", [1, 1000])
def test_reads_cost_the_same_however_many_there_are(
    api: Client, cluster: Cluster, revisions: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    rows = [SettingRevision(cluster=cluster, number=n, door="api") for n in range(2, revisions + 1)]
    SettingRevision.objects.bulk_create(rows)
    stored(api)  # the token's last use is noted once a minute
    # gate · count · page; gate · revision; gate · what waits
    for path, queries in ((LIST, 3), (f"{INSPECT}?revision=1", 2), (PENDING, 2)):
        with django_assert_num_queries(queries):
            get(api, path)


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_everybody_reads_and_administrators_restore(api: Client, role: str) -> None:
    other = client_of(role)
    assert (get(other, LIST)["total_count"], get(other, f"{INSPECT}?revision=1")["revision"]) == (1, 1)
    assert post(other, RESTORE, {"revision": 1}).status_code == 403


def test_a_restore_is_one_revision_that_says_what_it_brought_back(api: Client, cluster: Cluster) -> None:
    start = stored(api)
    post(api, UPDATE, {**HOP, **TRIES, "front_style_setting": {"navigate_color": "#123456"}})
    answer = post(api, RESTORE, {"revision": 1, "reason": "it was better"})
    assert answer.json()["data"] == {key: value for key, value in start.items() if key != "password_special_char"}
    assert answer["Sysmgr-Revision"] == "3"
    row = SettingRevision.objects.get(cluster=cluster, number=3)
    assert (row.kind, row.of_revision, row.reason, row.author) == ("restore", 1, "it was better", "a-administrator")
    assert {entry["path"] for entry in row.diff} == {
        PATH,
        "storage_setting.hop_hc",
        "front_style_setting.navigate_color",
    }
    assert AuditRow.objects.order_by("-seq")[0].action == "setting.restore"


def test_a_restore_may_be_of_some_sections(api: Client) -> None:
    post(api, UPDATE, {**HOP, **TRIES})
    shown = post(api, RESTORE, {"revision": 1, "sections": ["login_policy", "front_style_setting"]}).json()["data"]
    assert shown["storage_setting"] == HOP["storage_setting"]
    assert shown["login_policy"]["login_fail_retry_times"] == 1


def test_what_is_so_already_makes_no_revision(api: Client) -> None:
    post(api, UPDATE, {"mail_setting": SERVER, "snmp_settings": {"snmps": [TARGET]}})
    assert leaves_no_trace(lambda: post(api, RESTORE, {"revision": 2})).status_code == 200


@pytest.mark.alike
@pytest.mark.parametrize(
    ("body", "status", "desc"),
    [
        ({}, 400, "revision"),
        ({"revision": "1"}, 400, "revision"),
        ({"revision": 0}, 400, "revision"),
        ({"revision": 99}, 404, "revision"),
        ({"revision": 1, "sections": ["no_such"]}, 400, "sections[0]"),
        ({"revision": 1, "sections": []}, 400, "sections"),
        ({"revision": 1, "secrets": []}, 400, "secrets"),
        ({"revision": 1, "secrets": {"mail_setting.smtp_password": 5}}, 400, "secrets.mail_setting.smtp_password"),
        ({"revision": 1, "secrets": {"login_policy": "x"}}, 400, "secrets.login_policy"),
        ({"revision": 1, "if_revision": 9}, 409, "if_revision"),
        ({"revision": 1, "no_such": 1}, 400, "no_such"),
    ],
)
def test_wrong_restores_are_refused(api: Client, body: dict[str, Any], status: int, desc: str) -> None:
    answer = leaves_no_trace(lambda: post(api, RESTORE, body))
    assert (answer.status_code, answer.json()["desc"]) == (status, desc)


def test_a_restore_keeps_the_secrets_of_now_unless_told_otherwise(api: Client, cluster: Cluster) -> None:
    post(api, UPDATE, {"mail_setting": {**SERVER, "sender_name": "x"}, "snmp_settings": {"snmps": [TARGET]}})
    post(api, UPDATE, {"mail_setting": {"smtp_password": "hunter-2", "sender_name": "y"}})
    post(api, UPDATE, {"snmp_settings": {"snmps": [{**TARGET, "community": "comm-2", "enabled": False}]}})
    assert post(api, RESTORE, {"revision": 2}).status_code == 200
    assert stored(api)["mail_setting"]["sender_name"] == "x"
    assert MailSetting.objects.get(cluster=cluster).smtp_password.reveal() == "hunter-2"
    target = SnmpTarget.objects.get()
    assert (target.enabled, target.community.reveal()) == (True, "comm-2")
    secrets = {"mail_setting.smtp_password": "hunter-3", "snmp_settings.snmps[a].community": ""}
    assert post(api, RESTORE, {"revision": 2, "secrets": secrets}).status_code == 200
    assert MailSetting.objects.get(cluster=cluster).smtp_password.reveal() == "hunter-3"
    assert SnmpTarget.objects.get().community.reveal() == ""
    told = json.dumps([*SettingRevision.objects.values_list("diff"), *AuditRow.objects.values_list("changes")])
    assert "hunter" not in told and "comm-2" not in told


def test_a_restore_that_moves_a_secret_elsewhere_must_give_it(api: Client, cluster: Cluster) -> None:
    post(api, UPDATE, {"mail_setting": SERVER, "snmp_settings": {"snmps": [TARGET]}})
    post(api, UPDATE, {"mail_setting": {"smtp_server_ip": "b.example.com", "smtp_password": "hunter-2"}})
    post(api, UPDATE, {"snmp_settings": {"snmps": []}})
    refused = leaves_no_trace(lambda: post(api, RESTORE, {"revision": 2, "sections": ["mail_setting"]}))
    assert (refused.status_code, refused.json()["desc"]) == (400, "mail_setting.smtp_password")
    refused = leaves_no_trace(lambda: post(api, RESTORE, {"revision": 2, "sections": ["snmp_settings"]}))
    assert (refused.status_code, refused.json()["desc"]) == (400, "snmp_settings.snmps[0].community")
    secrets = {"mail_setting.smtp_password": "", "snmp_settings.snmps[a].community": "new"}
    assert post(api, RESTORE, {"revision": 2, "secrets": secrets}).status_code == 200
    assert stored(api)["mail_setting"]["smtp_password"] == ""
    assert SnmpTarget.objects.get().community.reveal() == "new"


def test_an_image_that_is_gone_and_a_value_that_is_refused_today_are_named(api: Client, cluster: Cluster) -> None:
    FrontStyleSetting.objects.update(login_image=f"/media/login-image/{'0' * 64}.png", navigate_color="red")
    post(api, UPDATE, HOP)  # its snapshot has both
    FrontStyleSetting.objects.update(login_image="", navigate_color="")
    refused = leaves_no_trace(lambda: post(api, RESTORE, {"revision": 2}))
    assert (refused.status_code, refused.json()["desc"]) == (400, "front_style_setting.login_image")
    SettingRevision.objects.filter(number=2).update(snapshot={"front_style_setting": {"navigate_color": "red"}})
    refused = leaves_no_trace(lambda: post(api, RESTORE, {"revision": 2}))
    assert (refused.status_code, refused.json()["desc"]) == (400, "front_style_setting.navigate_color")


def test_keys_that_an_older_version_did_not_know_stay_as_they_are(api: Client, cluster: Cluster) -> None:
    post(api, UPDATE, {**HOP, **TRIES, "snmp_settings": {"snmps": [{**TARGET, "port": 163}]}})
    old = {"login_policy": {"token_expire_second": 600, "gone": 1}, "snmp_settings": {"snmps": [{"name": "a"}]}}
    SettingRevision.objects.filter(number=1).update(snapshot=old)
    shown = post(api, RESTORE, {"revision": 1}).json()["data"]
    assert shown["storage_setting"] == HOP["storage_setting"]
    assert shown["login_policy"]["login_fail_retry_times"] == 9
    assert shown["login_policy"]["token_expire_second"] == 600
    assert shown["snmp_settings"]["snmps"] == [{**TARGET, "port": 163, "community": "********"}]


def test_a_restore_obeys_the_same_checks_and_can_be_on_probation(api: Client) -> None:
    post(api, UPDATE, TRIES)
    with doors(hard=False):
        refused = leaves_no_trace(lambda: post(api, RESTORE, {"revision": 1}))
        assert (refused.status_code, refused.json()["scode"]) == (409, 3050)
        body = {"revision": 1, "confirm_lockout": True, "confirm_within_seconds": 60}
        assert post(api, RESTORE, body).status_code == 200
    assert get(api, PENDING)["revision"] == 3


def test_a_repeated_key_restores_once(api: Client) -> None:
    post(api, UPDATE, HOP)
    key = {"Idempotency-Key": "once"}
    first, again = (post(api, RESTORE, {"revision": 1}, **key) for _ in range(2))
    assert (first.status_code, again.json(), again["Idempotent-Replay"]) == (200, first.json(), "true")
    assert SettingRevision.objects.count() == 3


def test_another_clusters_revision_is_none_of_this_one(api: Client) -> None:
    other = Cluster.objects.create(name="other")
    create_defaults(other, SYSTEM)
    post(api, UPDATE, HOP)
    assert post(api, RESTORE, {"revision": 2, "cluster_uuid": str(other.pk)}).status_code == 404


def test_revisions_from_before_there_were_origins_get_them(api: Client, cluster: Cluster) -> None:
    for body in (HOP, TRIES, {"storage_setting": {"hop_hc": 8}, "snmp_settings": {"snmps": [TARGET]}}):
        post(api, UPDATE, body)
    written = list(SettingRevision.objects.order_by("number").values_list("kind", "origins"))
    assert written[-1][1] == {"storage_setting.hop_hc": 4, PATH: 3, "snmp_settings.snmps": 4}
    SettingRevision.objects.update(kind="update", origins={})
    migration = importlib.import_module("settings_app.migrations.0004_fill_origins")
    migration.fill(apps, SimpleNamespace(connection=connection))
    assert list(SettingRevision.objects.order_by("number").values_list("kind", "origins")) == written
