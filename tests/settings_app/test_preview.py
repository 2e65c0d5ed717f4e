"""Preview: exactly what the change itself would do or refuse, and nothing of it stays."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster
from settings_app.models import SettingRevision
from settings_app.services import create_defaults
from sysmgr.audit.services import SYSTEM
from tests.conftest import client_of

from .steps import HOP, PATH, PREVIEW, TRIES, UPDATE, doors, leaves_no_trace, post, stored
from .test_api import TARGET


def preview(api: Client, body: dict[str, Any]) -> dict[str, Any]:
    """Return what preview answers, after it left the settings and every trace as they were."""
    before = stored(api)
    answer = leaves_no_trace(lambda: post(api, PREVIEW, body))
    assert answer.status_code == 200, answer.content
    assert stored(api) == before
    found: dict[str, Any] = answer.json()["data"]
    return found


def test_the_changes_are_those_of_the_revision_that_the_change_makes(api: Client, cluster: Cluster) -> None:
    body = {
        **TRIES,
        "mail_setting": {"smtp_password": "hunter-new", "sender_name": "x"},
        "access_control_policy": {"ip_access_control_policy": {"ip_ranges": {"ranges": ["192.0.2.0/24"]}}},
        "snmp_settings": {"snmps": [TARGET]},
    }
    told = preview(api, body)
    assert "hunter-new" not in str(told) and "very-public" not in str(told)
    post(api, UPDATE, body)
    revision = SettingRevision.objects.filter(cluster=cluster).order_by("-number")[0]
    assert (revision.number, revision.diff) == (2, told["changes"])
    assert preview(api, body)["changes"] == []
    told = preview(api, {"mail_setting": {"smtp_password": "hunter-other"}})
    assert told["changes"] == [{"path": "mail_setting.smtp_password", "from": None, "to": "changed"}]


def test_equal_values_change_nothing(api: Client) -> None:
    assert preview(api, stored(api)) == {"changes": [], "effects": [], "refusals": []}


def test_effects_say_from_when_on_and_what_the_enforcers_say(api: Client) -> None:
    body = {
        **HOP,
        **TRIES,
        "mail_setting": {"sender_name": "x"},
        "password_complexity_policy": {"password_minimum_length": 9, "notify_user_password_when_create": True},
    }
    with doors():
        told = [effect["message"] for effect in preview(api, body)["effects"]]
    assert f"{PATH}: from the next request on" in told
    assert "password_complexity_policy.password_minimum_length: at the next log-in" in told
    mail = "password_complexity_policy.notify_user_password_when_create, mail_setting.sender_name: with the next mail"
    assert mail in told
    assert any(text.startswith("storage_setting.hop_hc: stored and served only") for text in told)
    assert told[-1] == "locks after 9"


def test_another_cluster_is_only_stored(api: Client) -> None:
    other = Cluster.objects.create(name="other")
    create_defaults(other, SYSTEM)
    with doors(hard=True):
        told = preview(api, {**TRIES, "cluster_uuid": str(other.pk)})
    assert told["refusals"] == []
    [effect] = told["effects"]
    assert "the doors obey the default cluster's" in effect["message"]
    assert "默认集群" in effect["message_cn"]


@pytest.mark.parametrize("hard", [False, True])
def test_refusals_say_whom_and_whether_they_can_be_confirmed(api: Client, hard: bool) -> None:
    with doors(hard=hard):
        told = preview(api, {**TRIES, "confirm_lockout": True, "confirm_within_seconds": 9, "reason": "x"})
    refusal = {"path": PATH, "message": "would refuse you", "message_cn": "会拒绝您", "confirmable": not hard}
    assert told["refusals"] == [refusal]


def test_what_waits_for_its_confirmation_refuses_too(api: Client) -> None:
    post(api, UPDATE, {**HOP, "confirm_within_seconds": 60})
    [refusal] = preview(api, TRIES)["refusals"]
    assert refusal["confirmable"] is False and "waits for its confirmation" in refusal["message"]


def test_wrong_input_is_refused_as_the_change_refuses_it(api: Client) -> None:
    post(api, UPDATE, {"mail_setting": {"smtp_server_ip": "a.example.com", "smtp_password": "x"}})
    for body in (
        {"login_policy": {"token_expire_second": 59}},
        {"multi_authentication_setting": {"enabled": True}},
        {"mail_setting": {"smtp_server_ip": "b.example.com"}},
        {"front_style_setting": {"login_image": f"/media/login-image/{'0' * 64}.png"}},
        {"snmp_settings": {"snmps": [TARGET, TARGET]}},
        {**HOP, "if_revision": 1},
        {"no_such": 1},
    ):
        previewed = leaves_no_trace(lambda body=body: post(api, PREVIEW, body))  # type: ignore[misc]
        updated = leaves_no_trace(lambda body=body: post(api, UPDATE, body))  # type: ignore[misc]
        assert previewed.status_code in (400, 409)
        assert previewed.json() == updated.json()


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_only_administrators_preview(api: Client, role: str) -> None:
    assert post(client_of(role), PREVIEW, TRIES).status_code == 403
