"""Alerts at the admin's door: seen by all, acknowledged by administrators and operators."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster
from sysmgr.accounts.models import Role
from sysmgr.audit.models import AuditRow
from sysmgr.events.alerts import Trouble, clear_alert, raise_alert
from sysmgr.events.models import Alert
from tests.pages import enter, faults, said, url


@pytest.fixture
def alert(cluster: Cluster) -> Alert:
    """An open alert."""
    raise_alert("disk.full", Trouble("The disk is full.", "磁盘已满。", cluster_uuid=cluster.pk))
    return Alert.objects.get()


def acknowledge(client: Client, alert: Alert) -> Any:
    return client.post(url(Alert, "acknowledge", alert.pk), follow=True)


@pytest.mark.parametrize(("language", "text"), [("en", "The disk is full."), ("zh-hans", "磁盘已满。")])
@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.OPERATOR])
def test_an_alert_is_acknowledged_once(alert: Alert, role: str, language: str, text: str) -> None:
    client = enter(role, language)
    assert text in client.get(url(Alert, "changelist")).content.decode()
    assert "/acknowledge/" in client.get(url(Alert, "change", alert.pk)).content.decode()
    page = client.get(url(Alert, "acknowledge", alert.pk))
    assert (page.status_code, faults(page)) == (200, [])
    for _ in range(2):
        assert len(said(acknowledge(client, alert))) == 1
    alert.refresh_from_db()
    assert (alert.acknowledge_by, alert.close_time) == (f"the-{role}", None)
    assert "/acknowledge/" not in client.get(url(Alert, "change", alert.pk)).content.decode()
    assert AuditRow.objects.filter(action="alert.acknowledge", door="admin").count() == 1


def test_auditors_see_and_do_nothing(alert: Alert) -> None:
    client = enter(Role.AUDITOR)
    assert "/acknowledge/" not in client.get(url(Alert, "change", alert.pk)).content.decode()
    assert client.get(url(Alert, "acknowledge", alert.pk)).status_code == 403
    assert acknowledge(client, alert).status_code == 403
    alert.refresh_from_db()
    assert alert.acknowledge_time is None


def test_open_and_closed_ones_are_told_apart(alert: Alert) -> None:
    client = enter(Role.AUDITOR)

    def listed(**query: str) -> int:
        return len(client.get(url(Alert, "changelist"), query).context["cl"].result_list)

    assert (listed(), listed(state="open"), listed(state="closed"), listed(state="x")) == (1, 1, 0, 1)
    clear_alert("disk.full")
    assert (listed(state="open"), listed(state="closed")) == (0, 1)
