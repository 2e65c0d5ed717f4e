"""Asking access control without being asked: at the API and by command; and what a change of it would do."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from cluster.models import Cluster
from settings_app.services import update_settings
from sysmgr.accounts.models import Role
from sysmgr.audit.services import SYSTEM
from tests.conftest import client_of

HOURS = {
    "enabled": True,
    "time_zone": "UTC",
    "whitelist": False,
    "windows": [{"days": [1], "start": "08:00", "end": "18:00"}],
}
MONDAY = 1780304400  # 2026-06-01 09:00 UTC
LAST = 253370764800  # the year 9999
FAR = {"address": "10.0.0.1", "time": str(LAST + 1)}


@pytest.fixture(autouse=True)
def lists(cluster: Cluster) -> None:
    """A black list, and working hours that are closed on Mondays."""
    policy: dict[str, Any] = {"enabled": True, "whitelist": False, "ip_ranges": {"ranges": ["192.0.2.0/24"]}}
    both = {"ip_access_control_policy": policy, "time_access_control_policy": HOURS}
    update_settings(cluster, {"access_control_policy": both}, SYSTEM)


def test_any_address_and_time_is_explained(cluster: Cluster) -> None:
    client = client_of(Role.AUDITOR)

    def explain(address: str, **query: Any) -> dict[str, Any]:
        answer = client.get("/v1/system/access_control/explain", {"address": address, **query})
        assert answer.status_code == 200, answer.content
        data: dict[str, Any] = answer.json()["data"]
        return data

    refused = explain("192.0.2.7", time=MONDAY)
    assert (refused["allowed"], refused["until"], refused["enforced"]) == (False, None, True)
    assert refused["rule"].endswith("ip_ranges.ranges[0] 192.0.2.0/24")
    closed = explain("10.0.0.1", time=MONDAY)
    assert (closed["allowed"], closed["until"]) == (False, MONDAY + 9 * 3600)
    assert closed["rule"].endswith("windows[0]")
    assert explain("::ffff:10.0.0.1", time=MONDAY - 7200)["until"] == MONDAY - 3600
    assert explain("10.0.0.1", time=0)["until"] == 4 * 86400 + 8 * 3600  # 1970-01-05 was a Monday
    assert explain("10.0.0.1", time=LAST)["until"] > LAST
    other = Cluster.objects.create(name="other")
    from settings_app.services import create_defaults

    create_defaults(other, SYSTEM)
    assert explain("192.0.2.7", cluster_uuid=str(other.pk)) == {
        "allowed": True,
        "rule": "access_control_policy: nothing is enabled",
        "until": None,
        "enforced": False,
    }


@pytest.mark.parametrize(
    "query", [{}, {"address": "x"}, {"address": "10.0.0.1", "time": "soon"}, {"address": "\0"}, FAR]
)
def test_what_makes_no_sense_is_refused_by_name(cluster: Cluster, query: dict[str, str]) -> None:
    answer = client_of(Role.OPERATOR).get("/v1/system/access_control/explain", query)
    assert answer.status_code == 400 and answer.json()["desc"] in ("address", "time")


def test_the_command_tells_the_same(cluster: Cluster) -> None:
    out = StringIO()
    call_command("access_explain", "10.0.0.1", "--time", "2026-06-01T09:00", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert told["allowed"] is False and told["until"] == MONDAY + 9 * 3600
    out = StringIO()
    call_command("access_explain", "192.0.2.7", "--time", str(MONDAY), stdout=out)
    assert "ranges[0] 192.0.2.0/24" in out.getvalue()
    with pytest.raises(CommandError, match="no IP address"):
        call_command("access_explain", "nowhere")
    for moment in ("99999999999999999999", "9999-12-31", "0001-01-01", "soon"):
        with pytest.raises(CommandError):
            call_command("access_explain", "10.0.0.1", "--time", moment)


def preview(client: Client, **policy: Any) -> dict[str, Any]:
    body = json.dumps({"access_control_policy": policy})
    answer = client.post("/v1/system/setting/preview", body, content_type="application/json", REMOTE_ADDR="10.1.2.3")
    assert answer.status_code == 200, answer.content
    data: dict[str, Any] = answer.json()["data"]
    return data


def test_preview_says_whom_a_change_refuses(cluster: Cluster) -> None:
    update_settings(cluster, {"access_control_policy": {"time_access_control_policy": None}}, SYSTEM)
    client = client_of(Role.ADMINISTRATOR)
    told = preview(client, ip_access_control_policy={"whitelist": True, "ip_ranges": {"ranges": []}})
    texts = [effect["message"] for effect in told["effects"]]
    assert "From now on no address may come in at all." in texts
    assert any("1 addresses from which somebody is logged in" in text and "127.0.0.1" in text for text in texts)
    assert [found["path"] for found in told["refusals"]] == ["access_control_policy.ip_access_control_policy"]
    assert "10.1.2.3" in told["refusals"][0]["message"] and told["refusals"][0]["confirmable"]
    closed = preview(client, time_access_control_policy={**HOURS, "whitelist": True, "windows": []})
    assert [found["path"] for found in closed["refusals"]] == ["access_control_policy.time_access_control_policy"]


def test_preview_says_when_the_windows_close_or_open(cluster: Cluster) -> None:
    client = client_of(Role.ADMINISTRATOR)

    def said(**values: Any) -> str:
        return " ".join(
            e["message"] for e in preview(client, time_access_control_policy={**HOURS, **values})["effects"]
        )

    day = {"start": "00:00", "end": "00:00"}
    told = said(whitelist=True, windows=[{**day, "days": list(range(1, 8))}])
    assert "open within 1 weekly windows only (UTC)" in told and "close" not in told
    told = said(windows=[{**day, "days": [(timezone.now().isoweekday() + 1) % 7 + 1]}])
    assert "They are open now and close at" in told
    assert "They are closed for good" in said(whitelist=True, windows=[])
    told = said(whitelist=True, windows=[{**day, "days": [(timezone.now().isoweekday() + 1) % 7 + 1]}])
    assert "They are closed now and open at" in told and "somebody is logged in are refused" in told
    assert "nobody is refused because of the time" in said(enabled=False)
    texts = [e["message"] for e in preview(client, ip_access_control_policy={"enabled": False})["effects"]]
    assert "From now on no address is refused." in texts and not any("window" in text for text in texts)


def test_nobody_shuts_himself_out_unasked(cluster: Cluster) -> None:
    update_settings(cluster, {"access_control_policy": {"time_access_control_policy": None}}, SYSTEM)
    client = client_of(Role.ADMINISTRATOR)
    policy = {"ip_ranges": {"ranges": ["10.0.0.0/8"]}}
    body: dict[str, Any] = {"access_control_policy": {"ip_access_control_policy": policy}}

    def update(**more: Any) -> int:
        text = json.dumps({**body, **more})
        answer = client.post("/v1/system/setting/update", text, content_type="application/json", REMOTE_ADDR="10.1.2.3")
        return answer.status_code

    assert update() == 409
    assert client.get("/v1/system/version", REMOTE_ADDR="10.1.2.3").status_code == 200
    assert update(confirm_lockout=True) == 200
    assert client.get("/v1/system/version", REMOTE_ADDR="10.1.2.3").status_code == 403
    call_command("settings_set", "access_control_policy.ip_access_control_policy.enabled=false", stdout=StringIO())
    assert client.get("/v1/system/version", REMOTE_ADDR="10.1.2.3").status_code == 200
