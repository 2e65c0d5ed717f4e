"""Access control at the admin's door: one range a line, the time windows as JSON."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from cluster.models import Cluster
from settings_app import services
from settings_app.models import AccessControlPolicy, SettingRevision
from sysmgr.accounts.models import Role
from sysmgr.audit.services import SYSTEM

from .forms import enter, errors, inputs, read, revisions, save, url

POLICY = {
    "enabled": True,
    "time_zone": "Asia/Shanghai",
    "whitelist": True,
    "windows": [{"days": [1, 2, 3, 4, 5, 6, 7], "start": "08:00", "end": "08:00"}],  # always
}


@pytest.fixture
def admin(cluster: Cluster) -> Client:
    """An administrator who is logged in."""
    return enter()


def stored(cluster: Cluster) -> AccessControlPolicy:
    return AccessControlPolicy.objects.get(cluster=cluster)


def test_one_range_a_line(admin: Client, cluster: Cluster) -> None:
    text = " 10.0.0.0/8 \r\n\r\n2001:db8::1\r\n192.0.2.1-192.0.2.9\r\n"
    assert save(admin, AccessControlPolicy, cluster, ip_ranges=text, ip_whitelist="on").status_code == 302
    row = stored(cluster)
    assert (row.ip_whitelist, row.ip_enabled) == (True, False)
    assert row.ip_ranges == ["10.0.0.0/8", "2001:db8::1", "192.0.2.1-192.0.2.9"]
    assert inputs(admin, AccessControlPolicy, cluster)["ip_ranges"].splitlines() == row.ip_ranges
    paths = [entry["path"] for entry in SettingRevision.objects.order_by("-number")[0].diff]
    assert paths == [
        "access_control_policy.ip_access_control_policy.ip_ranges.ranges",
        "access_control_policy.ip_access_control_policy.whitelist",
    ]
    assert save(admin, AccessControlPolicy, cluster, ip_ranges="").status_code == 302
    assert stored(cluster).ip_ranges == []


def test_a_bad_range_is_named_by_its_line(admin: Client, cluster: Cluster) -> None:
    answer = save(admin, AccessControlPolicy, cluster, ip_ranges="10.0.0.1\n\nnonsense\n10.0.0.9-10.0.0.1")
    (text,) = [found for found in errors(answer)["ip_ranges"] if "nonsense" in found]
    assert text.startswith("Line 3 (nonsense): Must be an address")
    assert any(found.startswith("Line 4 (10.0.0.9-10.0.0.1)") for found in errors(answer)["ip_ranges"])
    assert "nonsense" in read(answer)["ip_ranges"]
    assert revisions(cluster) == 1


def test_too_many_ranges(admin: Client, cluster: Cluster) -> None:
    answer = save(admin, AccessControlPolicy, cluster, ip_ranges="10.0.0.1\n" * 1001)
    assert "1000" in errors(answer)["ip_ranges"][0]


def test_time_windows_are_json(admin: Client, cluster: Cluster) -> None:
    assert save(admin, AccessControlPolicy, cluster, time_policy=json.dumps(POLICY)).status_code == 302
    assert stored(cluster).time_policy == POLICY
    assert json.loads(inputs(admin, AccessControlPolicy, cluster)["time_policy"]) == POLICY
    save(admin, AccessControlPolicy, cluster)
    assert revisions(cluster) == 2
    assert save(admin, AccessControlPolicy, cluster, time_policy=" ").status_code == 302
    assert stored(cluster).time_policy is None


@pytest.mark.alike
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        ('{"enabled": true, "enabled": true}', "enabled: appears twice"),
        ("[" * 100_000, "nested too deeply"),
        ("{}", "missing: enabled, time_zone, whitelist, windows"),
        (json.dumps({**POLICY, "time_zone": "Mars"}), "time_zone: Must be an IANA time zone"),
        (json.dumps({**POLICY, "windows": [{"days": [8], "start": "08:00", "end": "1"}]}), "windows[0].end"),
        (json.dumps({**POLICY, "enabled": "yes"}), "enabled: Must be true or false"),
        (json.dumps({**POLICY, "more": 1}), "more: Is not a known key"),
        (json.dumps({**POLICY, "time_zone": "\ud800"}), "lone surrogates"),
    ],
)
def test_bad_time_windows_are_refused_in_place(admin: Client, cluster: Cluster, text: str, told: str) -> None:
    answer = save(admin, AccessControlPolicy, cluster, time_policy=text)
    assert told in "; ".join(errors(answer)["time_policy"])
    assert read(answer)["time_policy"] == text
    assert revisions(cluster) == 1


def test_a_policy_that_lacks_a_key_does_not_keep_it_in_silence(admin: Client, cluster: Cluster) -> None:
    services.update_settings(cluster, {"access_control_policy": {"time_access_control_policy": POLICY}}, SYSTEM)
    partial = {key: value for key, value in POLICY.items() if key != "windows"}
    answer = save(admin, AccessControlPolicy, cluster, time_policy=json.dumps(partial))
    assert "missing: windows" in errors(answer)["time_policy"][0]


def test_readers_see_lines_and_windows(cluster: Cluster) -> None:
    change = {
        "ip_access_control_policy": {"ip_ranges": {"ranges": ["10.0.0.0/8"]}},
        "time_access_control_policy": POLICY,
    }
    services.update_settings(cluster, {"access_control_policy": change}, SYSTEM)
    page = enter(Role.AUDITOR).get(url(AccessControlPolicy, cluster)).content.decode()
    assert "10.0.0.0/8<br>" in page
    assert "Asia/Shanghai" in page
