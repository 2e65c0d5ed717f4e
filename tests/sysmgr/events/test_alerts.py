"""Alerts: one open for each cause whoever raises it, listed and acknowledged at the API door."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster
from sysmgr import env
from sysmgr.audit.models import AuditRow
from sysmgr.events.alerts import Trouble, clear_alert, raise_alert, reconcile
from sysmgr.events.models import Alert, Event
from sysmgr.management import health, standing
from tests.conftest import client_of
from tests.together import at_once

LIST = "/v1/system/alert/list"
ACKNOWLEDGE = "/v1/system/alert/acknowledge"
TROUBLE = Trouble("It is wrong.", "有问题。")


def acknowledge(client: Client, **body: Any) -> Any:
    return client.post(ACKNOWLEDGE, json.dumps(body, default=str), content_type="application/json")


def keys(answer: Any) -> list[str]:
    return [alert["key"] for alert in answer.json()["data"]["list"]]


def test_a_cause_has_one_open_alert_that_counts(db: None) -> None:
    for _ in range(3):
        raise_alert("a", TROUBLE)
    assert Alert.objects.get().count == 3
    assert clear_alert("a") and not clear_alert("a")
    raise_alert("a", TROUBLE)
    assert sorted((alert.count, alert.state) for alert in Alert.objects.all()) == [(1, "open"), (3, "closed")]
    assert list(Event.objects.values_list("kind", flat=True)) == ["alert.opened", "alert.closed", "alert.opened"]


def test_what_vanishes_is_closed_and_other_causes_are_left_alone(db: None) -> None:
    raise_alert("other", TROUBLE)
    reconcile("disk.", {"disk.a": TROUBLE, "disk.b": TROUBLE})
    reconcile("disk.", {"disk.b": TROUBLE, "disk.c": TROUBLE})
    open_ones = Alert.objects.filter(close_time=None).values_list("key", "count")
    assert sorted(open_ones) == [("disk.b", 1), ("disk.c", 1), ("other", 1)]


@pytest.mark.django_db(transaction=True)
def test_raised_from_everywhere_at_once_it_is_one_alert() -> None:
    at_once([lambda: raise_alert("a", TROUBLE)] * 8)
    assert Alert.objects.get().count == 8
    assert Event.objects.filter(kind="alert.opened").count() == 1
    assert sum(at_once([lambda: clear_alert("a")] * 8)) == 1
    assert Event.objects.filter(kind="alert.closed").count() == 1


def test_the_list_has_open_ones_first_and_those_of_no_other_cluster(api: Client, cluster: Cluster) -> None:
    other = Cluster.objects.create(name="other")
    raise_alert("closed", TROUBLE)
    clear_alert("closed")
    raise_alert("here", Trouble("Here.", "此处。", "error", cluster.pk))
    raise_alert("there", Trouble("There.", "彼处。", "error", other.pk))
    raise_alert("everywhere", TROUBLE)
    answer = api.get(LIST)
    assert keys(answer) == ["everywhere", "here", "closed"]
    alert = answer.json()["data"]["list"][1]
    assert (alert["state"], alert["severity"], alert["message"], alert["message_cn"]) == (
        "open",
        "error",
        "Here.",
        "此处。",
    )
    assert (alert["cluster_uuid"], alert["close_time"], alert["acknowledge_by"]) == (str(cluster.pk), None, "")
    assert type(alert["open_time"]) is int
    assert keys(api.get(LIST, {"cluster_uuid": str(other.pk)})) == ["everywhere", "there", "closed"]
    assert keys(api.get(LIST, {"state": "open"})) == ["everywhere", "here"]
    assert keys(api.get(LIST, {"state": "closed"})) == ["closed"]
    assert keys(api.get(LIST, {"filter_name": "Here."})) == ["here"]
    page = api.get(LIST, {"page_num": 1, "page_size": 2})
    assert (page.json()["data"]["total_count"], keys(page)) == (3, ["closed"])


def test_without_any_cluster_the_installations_alerts_are_there(db: None) -> None:
    raise_alert("everywhere", TROUBLE)
    client = client_of("auditor")
    assert keys(client.get(LIST)) == ["everywhere"]
    unknown = client.get(LIST, {"cluster_uuid": str(uuid.uuid4())})
    assert (unknown.status_code, unknown.json()["desc"]) == (404, "cluster_uuid")


@pytest.mark.parametrize(
    ("query", "desc"),
    [({"state": "x"}, "state"), ({"page_size": "0"}, "page_size"), ({"cluster_uuid": "x"}, "cluster_uuid")],
)
def test_wrong_queries_are_refused(api: Client, query: dict[str, str], desc: str) -> None:
    answer = api.get(LIST, query)
    assert (answer.status_code, answer.json()["desc"]) == (400, desc)


def test_an_operator_acknowledges_and_the_first_one_stays_noted(api: Client) -> None:
    raise_alert("a", TROUBLE)
    alert = Alert.objects.get()
    first = acknowledge(client_of("operator"), alert_uuid=alert.pk)
    again = acknowledge(api, alert_uuid=alert.pk)
    assert first.status_code == again.status_code == 200
    assert first.json()["data"]["acknowledge_by"] == again.json()["data"]["acknowledge_by"] == "a-operator"
    assert first.json()["data"]["state"] == "open"
    assert AuditRow.objects.filter(action="alert.acknowledge").count() == 1
    raise_alert("a", TROUBLE)
    alert.refresh_from_db()
    assert (alert.count, alert.acknowledge_by) == (2, "a-operator")


def test_who_may_not_and_what_is_not_there(api: Client, cluster: Cluster, client: Client) -> None:
    raise_alert("a", Trouble("x", "x", cluster_uuid=cluster.pk))
    alert = Alert.objects.get()
    assert acknowledge(client_of("auditor"), alert_uuid=alert.pk).status_code == 403
    assert acknowledge(client, alert_uuid=alert.pk).status_code == 401
    assert acknowledge(api).json()["desc"] == "alert_uuid"
    assert acknowledge(api, alert_uuid="x").status_code == 400
    unknown = acknowledge(api, alert_uuid=uuid.uuid4())
    assert (unknown.status_code, unknown.json()["scode"], unknown.json()["desc"]) == (404, 1030, "alert_uuid")
    assert acknowledge(api, alert_uuid=alert.pk, cluster_uuid=uuid.uuid4()).status_code == 404
    alert.refresh_from_db()
    assert alert.acknowledge_time is None
    assert acknowledge(api, alert_uuid=alert.pk, cluster_uuid=cluster.pk).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_acknowledged_at_once_it_is_noted_once(api: Client, cluster: Cluster) -> None:
    raise_alert("a", TROUBLE)
    alert = Alert.objects.get()
    answers = at_once([lambda: acknowledge(api, alert_uuid=alert.pk)] * 6)
    assert {answer.status_code for answer in answers} == {200}
    assert AuditRow.objects.filter(action="alert.acknowledge").count() == 1


def test_a_short_disk_and_shown_secrets_stand_until_they_are_mended(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "LEAST_FREE", 1 << 62)
    monkeypatch.setattr(env, "REVEAL_SECRETS", True)
    standing.show()
    standing.show()
    found = list(Alert.objects.filter(close_time=None).order_by("key").values_list("key", "count"))
    assert found == [("installation.disk", 1), ("installation.reveal_secrets", 1)]
    monkeypatch.setattr(standing, "LEAST_FREE", 0)
    monkeypatch.setattr(env, "REVEAL_SECRETS", False)
    standing.show()
    assert not Alert.objects.filter(close_time=None).exists()
    assert health.LEAST_FREE > 0
