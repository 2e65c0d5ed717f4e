"""Explain: value, default, who set it last and how, and where it is enforced."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from cluster.models import Cluster
from settings_app import pending
from settings_app.explain import default_of, setting_paths
from settings_app.models import SettingRevision
from settings_app.paths import at
from settings_app.services import create_defaults, update_settings
from sysmgr.audit.services import SYSTEM, Actor
from tests.conftest import client_of

from .steps import HOP, PATH, RESTORE, UPDATE, get, let_pass, post, stored
from .test_api import TARGET

HOP_PATH = "storage_setting.hop_hc"
ADMIN = Actor("an-admin", "admin", "192.0.2.7")


def explain(api: Client, path: str, more: str = "") -> dict[str, Any]:
    found: dict[str, Any] = get(api, f"setting/explain?path={path}{more}")
    return found


def test_each_door_leaves_its_name(api: Client, cluster: Cluster) -> None:
    made = SettingRevision.objects.get(number=1)
    assert explain(api, HOP_PATH) == {
        "path": HOP_PATH,
        "value": 1,
        "default": 1,
        "origin": "default",
        "author": "system",
        "time": int(made.time.timestamp()),
        "revision": 1,
        "enforced": False,
        "applies": "stored",
    }
    assert explain(api, PATH)["origin"] == "environment"  # what SYSMGR_DEMO gave the demo cluster
    post(api, UPDATE, {"storage_setting": {"hop_hc": 2}})
    found = explain(api, HOP_PATH)
    assert [found[key] for key in ("value", "origin", "author", "revision")] == [2, "api", "a-administrator", 2]
    update_settings(cluster, {"storage_setting": {"hop_hc": 3}}, ADMIN)
    assert (explain(api, HOP_PATH)["origin"], explain(api, HOP_PATH)["author"]) == ("admin", "an-admin")
    call_command("settings_set", f"{HOP_PATH}=4")
    assert (explain(api, HOP_PATH)["origin"], explain(api, HOP_PATH)["revision"]) == ("command", 4)
    post(api, RESTORE, {"revision": 2})
    found = explain(api, HOP_PATH)
    assert [found[key] for key in ("value", "origin", "revision")] == [2, "restore", 5]
    post(api, UPDATE, {**HOP, "confirm_within_seconds": 60})
    let_pass()
    pending.take_back_due()
    found = explain(api, HOP_PATH)
    assert [found[key] for key in ("value", "origin", "author", "revision")] == [2, "revert", "system", 7]
    assert explain(api, "storage_setting.hop_hc")["default"] == 1
    assert explain(api, PATH)["revision"] == 1


def test_set_back_to_its_default_it_was_still_set_by_somebody(api: Client) -> None:
    post(api, UPDATE, HOP)
    post(api, UPDATE, {"storage_setting": {"hop_hc": 1}})
    assert explain(api, HOP_PATH)["origin"] == "api"


def test_every_setting_can_be_explained_as_it_is_stored(api: Client) -> None:
    shown = stored(api)
    for path in setting_paths():
        found = explain(api, path)
        assert (found["value"], found["default"]) == (at(shown, path), default_of(path))


def test_secrets_stay_masked_and_lists_whole(api: Client) -> None:
    post(api, UPDATE, {"mail_setting": {"smtp_password": "hunter"}, "snmp_settings": {"snmps": [TARGET]}})
    assert explain(api, "mail_setting.smtp_password")["value"] == "********"
    assert explain(api, "snmp_settings.snmps")["value"] == [{**TARGET, "community": "********"}]
    post(api, UPDATE, {"snmp_settings": {"snmps": [{**TARGET, "community": "another"}]}})
    assert explain(api, "snmp_settings.snmps")["revision"] == 3  # though only a secret in it changed


def test_the_time_windows_are_one_setting_and_their_keys_too(api: Client) -> None:
    base = "access_control_policy.time_access_control_policy"
    assert explain(api, f"{base}.time_zone")["value"] is None
    policy = {"enabled": False, "time_zone": "Asia/Shanghai", "whitelist": True, "windows": []}
    post(api, UPDATE, {"access_control_policy": {"time_access_control_policy": policy}})
    assert (explain(api, f"{base}.time_zone")["value"], explain(api, f"{base}.enabled")["revision"]) == (
        "Asia/Shanghai",
        2,
    )
    post(api, UPDATE, {"access_control_policy": {"time_access_control_policy": {"time_zone": "UTC"}}})
    assert [explain(api, path)["revision"] for path in (base, f"{base}.time_zone", f"{base}.enabled")] == [3, 3, 2]


def test_what_the_doors_obey_is_enforced_on_the_default_cluster_only(api: Client) -> None:
    other = Cluster.objects.create(name="other")
    create_defaults(other, SYSTEM)
    elsewhere = f"&cluster_uuid={other.pk}"
    for path, applies in (
        (PATH, "now"),
        ("password_complexity_policy.password_minimum_length", "next_log_in"),
        ("multi_authentication_setting.enabled", "next_log_in"),
        ("access_control_policy.ip_access_control_policy.enabled", "now"),
        ("front_style_setting.navigate_color", "now"),
    ):
        here, there = explain(api, path), explain(api, path, elsewhere)
        assert (here["enforced"], here["applies"]) == (True, applies)
        assert (there["enforced"], there["applies"], there["origin"]) == (False, "stored", "default")
    for more in ("", elsewhere):
        mail = explain(api, "mail_setting.enabled", more)
        assert (mail["enforced"], mail["applies"]) == (True, "next_mail")


@pytest.mark.alike
@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("login_policy", "name one of login_policy.login_fail_retry_times"),
        ("login_policy.no_such", "name one of login_policy."),
        ("access_control_policy.ip_access_control_policy.ip_ranges", "ip_ranges.ranges"),
        ("snmp_settings.snmps[0].port", "name one of snmp_settings.snmps."),
        ("no_such.key", "setting/inspect shows them all"),
        ("snmp_settings.has_list", "snmp_settings.snmps"),
        ("", "is required"),
    ],
)
def test_what_is_no_setting_is_refused_with_a_hint(api: Client, path: str, hint: str) -> None:
    answer = api.get("/v1/system/setting/explain", {"path": path})
    assert (answer.status_code, answer.json()["desc"]) == (400, "path")
    assert hint in answer.json()["message"]


@pytest.mark.parametrize("revisions", [1, 1000])
def test_it_costs_three_queries_beside_the_gate(
    api: Client, cluster: Cluster, revisions: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    many = [
        SettingRevision(cluster=cluster, number=n, door="api", origins={HOP_PATH: n}) for n in range(2, revisions + 1)
    ]
    SettingRevision.objects.bulk_create(many)
    stored(api)  # the token's last use is noted once a minute
    # gate · section with newest revision · revision that set it · for SNMP: targets
    for path, most in ((HOP_PATH, 3), ("snmp_settings.snmps", 4)):
        with django_assert_num_queries(most):
            found = explain(api, path)
    assert explain(api, HOP_PATH)["revision"] == revisions
    assert found["value"] is None


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_everybody_may_ask(api: Client, role: str) -> None:
    assert explain(client_of(role), HOP_PATH)["value"] == 1
