"""Writers at the same time, as real threads at the API door: no lost update, one winner per revision."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster
from settings_app.models import SettingRevision
from sysmgr.audit.models import AuditRow
from tests.together import at_once

pytestmark = pytest.mark.django_db(transaction=True)
UPDATE = "/v1/system/setting/update"
WRITERS = 12
# Twelve sections' keys of one row and of several: whoever writes last must not undo the others.
CHANGES: list[dict[str, Any]] = [
    {"login_policy": {"login_fail_retry_times": 11}},
    {"login_policy": {"login_fail_punish_seconds": 12}},
    {"login_policy": {"token_expire_second": 1300}},
    {"password_complexity_policy": {"password_minimum_length": 14}},
    {"password_complexity_policy": {"password_max_expired_age": 15}},
    {"mail_setting": {"sender_name": "sixteen"}},
    {"mail_setting": {"smtp_server_port": 1700}},
    {"front_style_setting": {"navigate_color": "#181818"}},
    {"front_style_setting": {"main_body_color": "#191919"}},
    {"storage_setting": {"hop_hc": 20}},
    {"access_control_policy": {"ip_access_control_policy": {"whitelist": True}}},
    {"access_control_policy": {"ip_access_control_policy": {"ip_ranges": {"ranges": ["192.0.2.0/24"]}}}},
]


def writer(api: Client, body: dict[str, Any], **headers: str) -> Callable[[], Any]:
    return lambda: api.post(UPDATE, json.dumps(body), content_type="application/json", headers=headers)


def test_writers_without_a_revision_wait_and_all_land(api: Client, cluster: Cluster) -> None:
    answers = at_once([writer(api, body) for body in CHANGES])
    assert [answer.status_code for answer in answers] == [200] * WRITERS
    stored = api.get("/v1/system/setting/inspect").json()["data"]
    for body in CHANGES:
        for section, values in body.items():
            for key, value in values.items():
                if section != "access_control_policy":
                    assert stored[section][key] == value
    policy = stored["access_control_policy"]["ip_access_control_policy"]
    assert (policy["whitelist"], policy["ip_ranges"]["ranges"]) == (True, ["192.0.2.0/24"])
    numbers = SettingRevision.objects.filter(cluster=cluster).order_by("number").values_list("number", flat=True)
    assert list(numbers) == list(range(1, WRITERS + 2))


def test_of_writers_with_one_revision_exactly_one_lands(api: Client, cluster: Cluster) -> None:
    bodies = [{"if_revision": 1, "storage_setting": {"hop_hc": 100 + n}} for n in range(WRITERS)]
    answers = at_once([writer(api, body) for body in bodies])
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: WRITERS - 1}
    winner = next(answer for answer in answers if answer.status_code == 200)
    stored = api.get("/v1/system/setting/inspect").json()["data"]["storage_setting"]
    assert winner.json()["data"]["storage_setting"] == stored
    assert SettingRevision.objects.filter(cluster=cluster).count() == 2


def test_one_idempotency_key_at_once_makes_one_change(api: Client, cluster: Cluster) -> None:
    key = {"Idempotency-Key": "together"}
    answers = at_once([writer(api, {"storage_setting": {"hop_hc": 77}}, **key) for _ in range(WRITERS)])
    # On PostgreSQL those that come while the first is under way hear so; on SQLite they wait for it.
    assert set(Counter(answer.status_code for answer in answers)) <= {200, 409}
    good = [answer.json() for answer in answers if answer.status_code == 200]
    assert good and all(answer == good[0] for answer in good)
    assert SettingRevision.objects.filter(cluster=cluster).count() == 2


def test_the_audit_chain_has_no_gap_and_no_fork(api: Client, cluster: Cluster) -> None:
    at_once([writer(api, body) for body in CHANGES])
    rows = list(AuditRow.objects.order_by("seq"))
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    assert [row.previous for row in rows[1:]] == [row.digest for row in rows[:-1]]
