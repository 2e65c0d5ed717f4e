"""Preview and lock-out at the admin's door: what a change would do is shown, and nothing is stored by that."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster
from settings_app.models import (
    AccessControlPolicy,
    LoginPolicy,
    MailSetting,
    PendingChange,
    SettingRevision,
    SnmpSettings,
    StorageSetting,
)
from settings_app.selectors import render_settings
from settings_app.services import update_settings
from sysmgr.accounts.models import Role
from sysmgr.audit.services import SYSTEM
from tests.pages import faults
from tests.settings_app.steps import PATH, doors, leaves_no_trace

from .forms import enter, errors, inputs, read, revisions, save, url

ELSEWHERE = {"ip_enabled": "on", "ip_whitelist": "on", "ip_ranges": "192.0.2.0/24"}


@pytest.fixture
def admin(cluster: Cluster) -> Client:
    """An administrator who is logged in."""
    return enter()


def ask(client: Client, model: Any, cluster: Cluster, **changed: Any) -> Any:
    """Press the preview's button instead of the one that saves."""
    form = {**inputs(client, model, cluster), **changed, "_preview": "1"}
    return client.post(url(model, cluster), {name: value for name, value in form.items() if value is not None})


def text(page: Any) -> str:
    return unescape(page.content.decode())


def test_a_preview_shows_changes_and_effects_keeps_what_was_typed_and_stores_nothing(
    admin: Client, cluster: Cluster
) -> None:
    with doors():
        page = leaves_no_trace(lambda: ask(admin, LoginPolicy, cluster, login_fail_retry_times="9", reason="stricter"))
    assert errors(page) == {} and faults(page) == []
    told = text(page)
    assert f'<code>{PATH}</code></td><td class="pr-4">1</td><td>9</td>' in told
    assert "locks after 9" in told and "from the next request on" in told
    assert "It would be refused" not in told
    kept = read(page)
    assert (kept["login_fail_retry_times"], kept["reason"]) == ("9", "stricter")
    assert admin.post(url(LoginPolicy, cluster), {**kept, "_save": "1"}).status_code == 302
    assert revisions(cluster) == 2


def test_a_preview_speaks_chinese(cluster: Cluster) -> None:
    with doors(hard=False):
        told = text(ask(enter(**{"Accept-Language": "zh-hans"}), LoginPolicy, cluster, login_fail_retry_times="9"))
    assert "9 次后锁定" in told and "自下一个请求起生效" in told and "会拒绝您" in told


def test_a_preview_of_nothing_says_so(admin: Client, cluster: Cluster) -> None:
    page = ask(admin, StorageSetting, cluster)
    assert errors(page) == {} and "Nothing differs from what is stored." in text(page)


def test_a_preview_shows_refusals(admin: Client, cluster: Cluster) -> None:
    for hard in (True, False):
        with doors(hard=hard):
            page = ask(admin, LoginPolicy, cluster, login_fail_retry_times="9")
        assert "It would be refused" in text(page) and f"<code>{PATH}</code>: would refuse you" in text(page)
    update_settings(cluster, {"storage_setting": {"hop_hc": 3}}, SYSTEM, confirm_within_seconds=60)
    assert "waits for its confirmation until" in text(ask(admin, StorageSetting, cluster, hop_hc="4"))


def test_a_preview_finds_what_the_change_would_find(admin: Client, cluster: Cluster) -> None:
    assert "60" in errors(ask(admin, LoginPolicy, cluster, token_expire_second="59"))["token_expire_second"][0]
    form = inputs(admin, StorageSetting, cluster)
    update_settings(cluster, {"storage_setting": {"hop_hc": 3}}, SYSTEM)
    page = admin.post(url(StorageSetting, cluster), {**form, "hop_hc": "4", "_preview": "1"})
    assert "at revision 2, not 1" in errors(page)["__all__"][0]


def test_secrets_are_not_sent_back_by_a_preview(admin: Client, cluster: Cluster) -> None:
    page = ask(admin, MailSetting, cluster, smtp_password="hush-hush")
    assert "hush-hush" not in text(page) and "Type the secrets again" in text(page)
    assert "mail_setting.smtp_password" in text(page) and not MailSetting.objects.get().smtp_password
    new = {"targets-0-name": "noc", "targets-0-version": "v2c", "targets-0-host": "192.0.2.1", "targets-0-port": "162"}
    page = ask(admin, SnmpSettings, cluster, **new, **{"targets-0-community": "hush-hush"})
    assert errors(page) == {} and "hush-hush" not in text(page) and "Type the secrets again" in text(page)
    assert "snmp_settings.snmps" in text(page) and revisions(cluster) == 1
    assert "Type the secrets again" not in text(ask(admin, MailSetting, cluster, enabled="on"))


def test_only_those_who_may_change_may_preview(cluster: Cluster) -> None:
    for role in (Role.OPERATOR, Role.AUDITOR):
        client = enter(role)
        assert b"_preview" not in client.get(url(LoginPolicy, cluster)).content
        assert client.post(url(LoginPolicy, cluster), {"_preview": "1"}).status_code == 403


def test_a_change_that_shuts_its_author_out_is_asked_about(admin: Client, cluster: Cluster) -> None:
    assert inputs(admin, AccessControlPolicy, cluster)["confirm_lockout"] == ""
    page: Any = leaves_no_trace(lambda: save(admin, AccessControlPolicy, cluster, **ELSEWHERE))
    told = "; ".join(found for texts in errors(page).values() for found in texts)
    assert "This change would shut you out." in told and "127.0.0.1" in told
    assert '<input type="checkbox" name="confirm_lockout"' in text(page)
    sure = {**read(page), "confirm_lockout": "on", "confirm_within_seconds": "60"}
    assert admin.post(url(AccessControlPolicy, cluster), {**sure, "_save": "1"}).status_code == 302
    assert SettingRevision.objects.latest("number").door == "admin" and PendingChange.objects.count() == 1
    assert admin.get(url(AccessControlPolicy, cluster)).status_code == 403  # it bites
    PendingChange.objects.update(deadline="2020-01-01T00:00:00Z")
    assert admin.get(url(AccessControlPolicy, cluster)).status_code == 200  # and is taken back
    assert render_settings(cluster.pk)["access_control_policy"]["ip_access_control_policy"]["enabled"] is False


def test_what_shuts_everybody_out_is_not_asked_about(admin: Client, cluster: Cluster) -> None:
    with doors(hard=True):
        page = save(admin, LoginPolicy, cluster, login_fail_retry_times="9", confirm_lockout="on")
    assert "it would shut out more than you" in errors(page)["__all__"][0]
    assert errors(page)["login_fail_retry_times"] == ["Would refuse you"]
    assert revisions(cluster) == 1


def test_the_tick_stays_visible_when_something_else_is_wrong(admin: Client, cluster: Cluster) -> None:
    page = save(admin, LoginPolicy, cluster, login_fail_retry_times="101", confirm_lockout="on")
    assert '<input type="checkbox" name="confirm_lockout"' in text(page)


@pytest.mark.alike
@pytest.mark.parametrize("seconds", ["0", "3601", "-1", "x", "1.5", "9" * 400])
def test_seconds_out_of_bounds_are_refused_in_place(admin: Client, cluster: Cluster, seconds: str) -> None:
    page = save(admin, StorageSetting, cluster, hop_hc="4", confirm_within_seconds=seconds)
    assert list(errors(page)) == ["confirm_within_seconds"] and revisions(cluster) == 1
