"""Commit-confirm at the API door: what waits blocks others, stands when confirmed, goes back when not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from cluster.models import Cluster
from settings_app import pending
from settings_app.changes import change_sections
from settings_app.models import FrontStyleSetting, LoginPolicy, MailSetting, PendingChange, SettingRevision
from settings_app.services import create_defaults, update_settings
from sysmgr import crypto
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from sysmgr.crypto import Secret
from sysmgr.events.alerts import acknowledge
from sysmgr.events.models import Alert, Event
from tests.conftest import client_of

from .steps import CONFIRM, HOP, PENDING, RESTORE, TRIES, UPDATE, doors, get, leaves_no_trace, let_pass, post, stored
from .test_api import TARGET

SOON = {"confirm_within_seconds": 60}
SECRETS: dict[str, Any] = {
    "mail_setting": {"smtp_server_ip": "a.example.com", "smtp_password": "hunter-before"},
    "snmp_settings": {"snmps": [TARGET]},
}


def on_probation(cluster: Cluster, changes: dict[str, Any]) -> None:
    """Make a change that waits a minute for its confirmation."""
    assert update_settings(cluster, changes, SYSTEM, confirm_within_seconds=60)


def test_a_change_on_probation_is_applied_at_once_and_shown(api: Client, cluster: Cluster) -> None:
    assert get(api, PENDING) is None
    earliest = int(timezone.now().timestamp()) + 60
    assert post(api, UPDATE, {**HOP, **SOON}).json()["data"]["storage_setting"] == HOP["storage_setting"]
    shown = get(api, PENDING)
    assert (shown["revision"], shown["deadline"] - earliest in range(30)) == (2, True)
    told = AuditRow.objects.order_by("-seq")[0]
    assert told.changes[-1] == {"path": "confirm_within_seconds", "from": None, "to": 60}


@pytest.mark.parametrize("seconds", [0, 3601, "60", True])
def test_only_one_second_to_an_hour_will_do(api: Client, seconds: Any) -> None:
    answer = leaves_no_trace(lambda: post(api, UPDATE, {**HOP, "confirm_within_seconds": seconds}))
    assert (answer.status_code, answer.json()["desc"]) == (400, "confirm_within_seconds")


def test_a_change_that_changes_nothing_waits_for_nobody(api: Client) -> None:
    assert leaves_no_trace(lambda: post(api, UPDATE, {"storage_setting": {"hop_hc": 1}, **SOON})).status_code == 200


def test_while_one_waits_every_other_write_of_the_cluster_is_refused(api: Client, cluster: Cluster) -> None:
    other = Cluster.objects.create(name="other")
    create_defaults(other, SYSTEM)
    post(api, UPDATE, {**HOP, **SOON})
    calls: list[tuple[str, dict[str, Any]]] = [
        (UPDATE, TRIES),
        (UPDATE, {}),
        (UPDATE, {**TRIES, **SOON}),
        ("mail_setting/update", {"sender_name": "x"}),
        (RESTORE, {"revision": 1}),
        ("cluster/update", {"cluster_uuid": str(other.pk), "default": True}),
    ]
    for path, body in calls:
        answer = leaves_no_trace(lambda path=path, body=body: post(api, path, body))  # type: ignore[misc]
        assert (answer.status_code, answer.json()["scode"]) == (409, 3052), path
        for text in (answer.json()["message"], answer.json()["message_cn"]):
            assert str(get(api, PENDING)["deadline"]) in text
            assert "T" in text and "Z" in text
    with pytest.raises(CommandError, match="waits for its confirmation"):
        call_command("settings_set", "storage_setting.hop_hc=8")
    assert post(api, UPDATE, {**HOP, "cluster_uuid": str(other.pk)}).status_code == 200
    assert post(api, "cluster/update", {"name": "renamed"}).status_code == 200


def test_confirmed_it_stands(api: Client, cluster: Cluster) -> None:
    post(api, UPDATE, {**HOP, **SOON})
    assert (post(api, CONFIRM, {}).status_code, get(api, PENDING)) == (200, None)
    assert AuditRow.objects.order_by("-seq")[0].action == "setting.confirm"
    assert Event.objects.filter(kind="setting.confirmed", cluster_uuid=cluster.pk).count() == 1
    let_pass()
    assert leaves_no_trace(pending.take_back_due) == 0
    assert stored(api)["storage_setting"] == HOP["storage_setting"]
    again = leaves_no_trace(lambda: post(api, CONFIRM, {}))
    assert (again.status_code, again.json()["scode"]) == (404, 3053)


def test_whoever_confirms_may_say_which_change_he_saw(api: Client) -> None:
    post(api, UPDATE, {**HOP, **SOON})
    assert post(api, CONFIRM, {"if_revision": 1}).json()["scode"] == 3001
    assert post(api, CONFIRM, {"if_revision": 2}).status_code == 200


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_only_administrators_confirm_but_all_see_what_waits(api: Client, role: str) -> None:
    post(api, UPDATE, {**HOP, **SOON})
    other = client_of(role)
    assert post(other, CONFIRM, {}).status_code == 403
    assert get(other, PENDING)["revision"] == 2


def test_after_its_deadline_it_is_taken_back_and_that_is_told(api: Client, cluster: Cluster) -> None:
    post(api, UPDATE, {**TRIES, **SOON})
    let_pass()
    with doors() as seen:
        assert pending.take_back_due() == 1
    assert stored(api)["login_policy"]["login_fail_retry_times"] == 1
    assert [change.after.login.login_fail_retry_times for change in seen.applied] == [1]
    revision = SettingRevision.objects.filter(cluster=cluster).order_by("-number")[0]
    assert (revision.number, revision.kind, revision.of_revision, revision.author) == (3, "revert", 1, "system")
    assert revision.diff == [{"path": "login_policy.login_fail_retry_times", "from": 9, "to": 1}]
    assert AuditRow.objects.order_by("-seq")[0].action == "setting.revert"
    assert Event.objects.filter(kind="setting.reverted", severity="warning").count() == 1
    alert = Alert.objects.get(key=f"setting.revert.{cluster.pk}")
    assert (alert.state, alert.severity, alert.cluster_uuid) == ("open", "warning", cluster.pk)
    late = post(api, CONFIRM, {})
    assert (late.status_code, late.json()["scode"]) == (409, 3054)
    assert "revision 2" in late.json()["message"]
    assert leaves_no_trace(pending.take_back_due) == 0


def test_a_confirmation_after_the_deadline_is_too_late_though_nobody_looked(api: Client) -> None:
    post(api, UPDATE, {**HOP, **SOON})
    let_pass(0.1)
    assert post(api, CONFIRM, {}).json()["scode"] == 3054
    assert stored(api)["storage_setting"] == {"hop_hc": 1}


def test_the_first_request_after_the_deadline_finds_it_taken_back(api: Client) -> None:
    post(api, UPDATE, {**HOP, **SOON})
    let_pass()
    assert stored(api)["storage_setting"] == {"hop_hc": 1}
    assert SettingRevision.objects.filter(kind="revert").count() == 1


def test_the_next_write_takes_it_back_first_whatever_becomes_of_that_write(api: Client, cluster: Cluster) -> None:
    on_probation(cluster, HOP)
    let_pass()
    with pytest.raises(CommandError, match="at revision 3, not 2"):
        call_command("settings_set", "storage_setting.hop_hc=8", if_revision=2)
    assert SettingRevision.objects.filter(kind="revert").count() == 1
    assert post(api, UPDATE, TRIES).status_code == 200


def test_secrets_come_back_as_they_were_and_are_never_told(api: Client, cluster: Cluster) -> None:
    post(api, UPDATE, SECRETS)
    changed = [{**TARGET, "community": "other", "host": "192.0.2.9"}, {**TARGET, "name": "b", "community": "new"}]
    mail = {"smtp_server_ip": "b.example.com", "smtp_password": "hunter-after"}
    post(api, UPDATE, {"mail_setting": mail, "snmp_settings": {"snmps": changed}, **SOON})
    raw = connection.cursor().execute("SELECT before FROM settings_app_pendingchange")
    assert "hunter-before" not in str(raw and raw.fetchone())
    let_pass()
    assert pending.take_back_due() == 1
    setting = MailSetting.objects.get(cluster=cluster)
    assert (setting.smtp_server_ip, setting.smtp_password.reveal()) == ("a.example.com", "hunter-before")
    [target] = cluster.snmpsettings.targets.all()
    assert (target.name, target.host, target.community.reveal()) == ("a", "192.0.2.1", "very-public")
    told = json.dumps(list(SettingRevision.objects.values_list("diff", "snapshot")))
    told += json.dumps([*AuditRow.objects.values_list("changes"), *Event.objects.values_list("message", "data")])
    assert "hunter" not in told and "very-public" not in told and '"other"' not in told


def test_no_check_and_no_rule_of_today_keeps_it_from_going_back(api: Client, cluster: Cluster) -> None:
    FrontStyleSetting.objects.filter(cluster=cluster).update(navigate_color="no one")
    LoginPolicy.objects.filter(cluster=cluster).update(login_fail_retry_times=3)
    on_probation(cluster, {"front_style_setting": {"navigate_color": "#000000"}, **TRIES})
    let_pass()
    with doors(hard=True):
        assert pending.take_back_due() == 1
    assert stored(api)["front_style_setting"]["navigate_color"] == "no one"
    assert stored(api)["login_policy"]["login_fail_retry_times"] == 3


def test_what_the_database_refuses_stays_and_an_alert_names_it(api: Client, cluster: Cluster) -> None:
    on_probation(cluster, {**HOP, **TRIES})
    row = PendingChange.objects.get()
    before = json.loads(row.before.reveal())
    before["login_policy"]["token_expire_second"] = 1
    PendingChange.objects.update(before=Secret(clear=json.dumps(before)))
    let_pass()
    assert pending.take_back_due() == 1
    assert stored(api)["storage_setting"] == {"hop_hc": 1}
    assert stored(api)["login_policy"]["login_fail_retry_times"] == 9
    alert = Alert.objects.get(key=f"setting.revert.{cluster.pk}")
    assert alert.severity == "error" and "login_policy" in alert.message and "login_policy" in alert.message_cn


def test_a_lost_key_costs_the_secrets_of_before_and_nothing_else(api: Client, cluster: Cluster) -> None:
    update_settings(cluster, SECRETS, SYSTEM)
    on_probation(cluster, {**HOP, "mail_setting": {"smtp_password": "after"}})
    with connection.cursor() as cursor:
        cursor.execute("UPDATE settings_app_pendingchange SET before = %s", [f"enc:1:{crypto.new_key()}"])
    let_pass()
    assert pending.take_back_due() == 1
    assert stored(api)["storage_setting"] == {"hop_hc": 1}
    assert MailSetting.objects.get(cluster=cluster).smtp_password.reveal() == "after"
    assert "key is gone" in Alert.objects.get(key=f"setting.revert.{cluster.pk}").message


def test_what_can_not_be_taken_back_is_told_and_stops_no_other(
    api: Client, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Cluster.objects.create(name="other")
    create_defaults(other, SYSTEM)
    for one in (cluster, other):
        on_probation(one, TRIES)
    let_pass()
    monkeypatch.setattr("settings_app.hooks.applied", [change_sections])  # fails: it takes something else
    assert pending.take_back_due() == 1
    alert = Alert.objects.get(key=f"setting.revert.{cluster.pk}")
    assert alert.severity == "error" and "can't be taken back" in alert.message
    assert leaves_no_trace(pending.take_back_due) == 0  # not at every request
    monkeypatch.setattr("settings_app.hooks.applied", [])
    monkeypatch.setattr(pending, "_failed", {})
    assert pending.take_back_due() == 1


def test_the_alert_closes_when_somebody_looked_or_changed_the_settings(api: Client, cluster: Cluster) -> None:
    for close in ("looked", "changed"):
        on_probation(cluster, TRIES)
        let_pass()
        pending.take_back_due()
        alert = Alert.objects.get(key=f"setting.revert.{cluster.pk}", close_time=None)
        pending.close_seen()
        alert.refresh_from_db()
        assert alert.state == "open"
        if close == "looked":
            acknowledge(alert.pk, None, SYSTEM)
            pending.close_seen()
        else:
            post(api, UPDATE, {"storage_setting": {"hop_hc": 11}})
        alert.refresh_from_db()
        assert alert.state == "closed"


def test_what_waits_goes_with_its_cluster(api: Client, cluster: Cluster) -> None:
    other = Cluster.objects.create(name="other")
    create_defaults(other, SYSTEM)
    post(api, UPDATE, {**HOP, **SOON, "cluster_uuid": str(other.pk)})
    assert post(api, "cluster/remove", {"cluster_uuid": str(other.pk)}).status_code == 200
    assert PendingChange.objects.count() == 0
    assert leaves_no_trace(pending.take_back_due) == 0
