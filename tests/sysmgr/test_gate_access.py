"""Access control before every door: each key bites at the API and at the admin, from the next request on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster
from settings_app.access import rules
from settings_app.models import AccessControlPolicy
from settings_app.services import update_settings
from sysmgr.accounts.models import Role
from sysmgr.api import proxies
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from sysmgr.events.models import Alert
from tests.conftest import client_of
from tests.pages import enter

Ask = Callable[..., int]
NIGHT = {"days": [1, 2, 3, 4, 5, 6, 7], "start": "00:00", "end": "00:00"}


def set_ip(cluster: Cluster, **values: Any) -> None:
    ranges = values.pop("ranges", None)
    if ranges is not None:
        values["ip_ranges"] = {"ranges": ranges}
    update_settings(cluster, {"access_control_policy": {"ip_access_control_policy": values}}, SYSTEM)


def set_time(cluster: Cluster, policy: dict[str, Any] | None) -> None:
    update_settings(cluster, {"access_control_policy": {"time_access_control_policy": policy}}, SYSTEM)


@pytest.fixture(params=["api", "admin", "login", "login page", "language"])
def ask(request: pytest.FixtureRequest, cluster: Cluster) -> Ask:
    """Ask at one of the doors from an address, and return the status; 403 is a refusal at each of them."""
    clients = {"api": client_of(Role.ADMINISTRATOR), "admin": enter(Role.ADMINISTRATOR)}
    door = request.param

    def status(source: str = "10.1.2.3") -> int:
        if door in clients:
            path = "/v1/system/version" if door == "api" else "/admin/"
            return clients[door].get(path, REMOTE_ADDR=source).status_code
        client = Client(REMOTE_ADDR=source)
        if door == "login":
            body = '{"user": "nobody", "password": "x"}'
            answer = client.post("/v1/authentication/login", body, content_type="application/json")
        else:
            answer = (
                client.get("/admin/login/") if door == "login page" else client.post("/language", {"language": "en"})
            )
        return answer.status_code

    return status


def test_a_black_list_refuses_its_ranges(cluster: Cluster, ask: Ask) -> None:
    set_ip(cluster, enabled=True, whitelist=False, ranges=["10.0.0.0/8"])
    assert ask("10.1.2.3") == 403 and ask("::ffff:10.1.2.3") == 403
    assert ask("192.0.2.1") != 403


def test_a_white_list_lets_only_its_ranges_in(cluster: Cluster, ask: Ask) -> None:
    set_ip(cluster, enabled=True, whitelist=True, ranges=["10.0.0.0-10.255.255.255"])
    assert ask("10.1.2.3") != 403
    assert ask("192.0.2.1") == 403


def test_switched_off_it_refuses_nobody(cluster: Cluster, ask: Ask) -> None:
    set_ip(cluster, enabled=True, whitelist=True, ranges=[])
    assert ask() == 403
    set_ip(cluster, enabled=False)
    assert ask() != 403


def test_other_ranges_bind_at_the_next_request(cluster: Cluster, ask: Ask) -> None:
    set_ip(cluster, enabled=True, whitelist=False, ranges=["192.0.2.0/24"])
    assert ask() != 403
    set_ip(cluster, ranges=["10.1.2.3"])
    assert ask() == 403


@pytest.mark.alike
@pytest.mark.parametrize("whitelist", [True, False])
def test_time_windows_open_or_close_the_doors(cluster: Cluster, ask: Ask, whitelist: bool) -> None:
    policy = {"enabled": True, "time_zone": "Asia/Shanghai", "whitelist": whitelist, "windows": [NIGHT]}
    set_time(cluster, policy)
    assert (ask() == 403) != whitelist
    set_time(cluster, {**policy, "windows": []})
    assert (ask() == 403) == whitelist
    set_time(cluster, {**policy, "enabled": False, "windows": []})
    assert ask() != 403
    set_time(cluster, None)
    assert ask() != 403


def test_the_zone_decides_where_a_window_is(cluster: Cluster, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monday = {"days": [1], "start": "08:00", "end": "09:00"}
    policy = {"enabled": True, "time_zone": "Asia/Shanghai", "whitelist": True, "windows": [monday]}
    at = datetime(2026, 6, 1, 0, 30, tzinfo=UTC)  # 08:30 in Shanghai
    passes = rules.Rules._time_passes
    monkeypatch.setattr(rules.Rules, "_time_passes", lambda self, moment: passes(self, at))
    set_time(cluster, policy)
    assert ask() != 403
    set_time(cluster, {**policy, "time_zone": "Europe/Berlin"})
    assert ask() == 403


def test_another_clusters_policy_binds_nobody(cluster: Cluster, ask: Ask) -> None:
    from cluster.services import create_cluster

    other = create_cluster("other", SYSTEM)
    Cluster.objects.update(default=False)
    Cluster.objects.filter(pk=cluster.pk).update(default=True)
    set_ip(other, enabled=True, whitelist=True, ranges=[])
    assert ask() != 403


def test_whether_the_process_lives_is_told_to_everybody(cluster: Cluster) -> None:
    set_ip(cluster, enabled=True, whitelist=True, ranges=[])
    assert Client().get("/healthz").status_code == 200
    assert Client().get("/readyz").status_code in (200, 503)
    for path in (
        "/metrics",
        "/password/set/x",
        "/v1/docs",
        "/v1/openapi.json",
        "/media/login-image/x.png",
        "/",
        "/v1/no/such",
        "/no/such",
    ):
        assert Client().get(path).status_code == 403, path
    known = client_of(Role.ADMINISTRATOR)
    assert known.get("/metrics").status_code == known.post("/metrics").status_code == 403


def test_the_stranger_is_told_nothing_and_the_audit_all(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    set_ip(cluster, enabled=True, whitelist=False, ranges=["192.0.2.0/24"])
    client = client_of(Role.ADMINISTRATOR)
    known = client.get("/v1/system/version", REMOTE_ADDR="192.0.2.9")
    unknown = Client().get("/v1/system/version", REMOTE_ADDR="192.0.2.9")
    page = Client().get("/admin/", REMOTE_ADDR="192.0.2.9")
    assert known.json() == unknown.json() and known.json()["scode"] == 1060
    assert "range" not in known.content.decode() + page.content.decode()
    assert "ranges[0] 192.0.2.0/24" in caplog.text
    row = AuditRow.objects.filter(action="access").first()
    assert row is not None and (row.source, row.result) == ("192.0.2.9", "refused") and "ranges[0]" in row.object


@pytest.mark.alike
@pytest.mark.parametrize(
    ("peer", "forwarded", "source"),
    [
        ("10.9.9.9", "192.0.2.1", "10.9.9.9"),  # nobody's proxy
        ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("::ffff:10.0.0.1", "::ffff:192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.7, 192.0.2.1", "192.0.2.1"),  # what stands to the left can be forged
        ("10.0.0.1", "198.51.100.7, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "192.0.2.1:4711", "192.0.2.1"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", "[fe80::1%eth0]:4711", "fe80::1"),
        ("10.0.0.1", "fe80::1%eth0", "fe80::1"),
        ("fe80::9%eth0", "192.0.2.1", "fe80::9"),
        ("10.0.0.1", "10.0.0.2, " * 400 + "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "192.0.2.1, garbage", ""),
        ("10.0.0.1", "x" * 4000, ""),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_no_proxy(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, peer: str, forwarded: str, source: str
) -> None:
    from django.test import RequestFactory

    from sysmgr import env
    from sysmgr.api.gate import client_address

    monkeypatch.setattr(env, "TRUSTED_PROXIES", frozenset({"10.0.0.1", "10.0.0.2"}))
    request = RequestFactory().get("/", headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR=peer)
    assert client_address(request) == source


def test_a_peer_that_poses_as_a_proxy_is_named(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    from sysmgr.management.health import examine

    monkeypatch.setattr(proxies, "_next", 0.0)
    for source in ("192.0.2.66", "192.0.2.67"):
        Client().get("/admin/login/", headers={"X-Forwarded-For": "10.0.0.1"}, REMOTE_ADDR=source)
    alert = Alert.objects.get(key=proxies.ALERT)
    assert alert.message.startswith("192.0.2.66 ") and alert.count == 1  # the second came within the minute
    found = {finding.check: finding for finding in examine()}["proxies"]
    assert found.state == "warning" and "192.0.2.66" in found.text
    assert AuditRow.objects.filter(action="forwarded", source="192.0.2.66", result="refused").exists()
    Alert.objects.update(last_time=datetime(2026, 1, 1, tzinfo=UTC))
    proxies.forget()
    assert not Alert.objects.filter(close_time=None).exists()


def test_the_policy_is_stored_as_it_is_served(cluster: Cluster) -> None:
    set_ip(cluster, enabled=True, whitelist=True, ranges=["127.0.0.1"])
    row = AccessControlPolicy.objects.get(cluster=cluster)
    assert (row.ip_enabled, row.ip_whitelist, row.ip_ranges) == (True, True, ["127.0.0.1"])
