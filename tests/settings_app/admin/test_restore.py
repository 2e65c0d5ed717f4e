"""Bringing a revision back at the admin's door, and the page of where settings come from."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from cluster.models import Cluster
from settings_app.explain import explain, explain_all, setting_paths
from settings_app.models import AccessControlPolicy, LoginPolicy, PendingChange, SettingRevision
from settings_app.selectors import render_settings
from settings_app.services import update_settings
from sysmgr.accounts.models import Role
from sysmgr.audit.services import SYSTEM, Actor
from tests.pages import enter, faults, refusals, said, url
from tests.settings_app.steps import doors

from .forms import read

CHANGE = {"login_policy": {"login_fail_retry_times": 9}, "storage_setting": {"hop_hc": 7}}


@pytest.fixture
def first(cluster: Cluster) -> SettingRevision:
    """The revision before a change of two sections."""
    update_settings(cluster, CHANGE, Actor("somebody", "api", "192.0.2.7"), reason="because")
    return SettingRevision.objects.get(cluster=cluster, number=1)


def restore(client: Client, revision: SettingRevision, **form: Any) -> Any:
    """Send the restore's form as the page shows it, with some inputs filled in."""
    page = client.get(url(SettingRevision, "restore", revision.pk))
    return client.post(url(SettingRevision, "restore", revision.pk), {**read(page), **form}, follow=True)


def stored(cluster: Cluster) -> tuple[int, int]:
    now = render_settings(cluster.pk)
    return now["login_policy"]["login_fail_retry_times"], now["storage_setting"]["hop_hc"]


def test_the_whole_comes_back_as_a_new_revision(cluster: Cluster, first: SettingRevision) -> None:
    client = enter(Role.ADMINISTRATOR)
    before = first.snapshot["storage_setting"]["hop_hc"]
    assert "Restore" in client.get(url(SettingRevision, "change", first.pk)).content.decode()
    page = client.get(url(SettingRevision, "restore", first.pk))
    assert page.status_code == 200 and faults(page) == []
    done = restore(client, first, reason="as it was")
    assert said(done) == ["Saved as revision 3."] and faults(done) == []
    made = SettingRevision.objects.get(cluster=cluster, number=3)
    assert (made.kind, made.of_revision, made.door, made.reason) == ("restore", 1, "admin", "as it was")
    assert stored(cluster) == (1, before)
    assert said(restore(client, first)) == ["Nothing differs from what is stored."]


def test_one_section_comes_back_and_may_wait(cluster: Cluster, first: SettingRevision) -> None:
    client = enter(Role.ADMINISTRATOR)
    restore(client, first, sections=["login_policy"], confirm_within_seconds="60")
    assert stored(cluster) == (1, 7) and PendingChange.objects.get().revision == 3
    assert "waits for its confirmation until" in refusals(restore(client, first))


def test_refusals_stand_above_the_form(cluster: Cluster, first: SettingRevision) -> None:
    client = enter(Role.ADMINISTRATOR)
    with doors(hard=False):
        assert "This change would shut you out" in refusals(restore(client, first))
        assert stored(cluster) == (9, 7)
        assert said(restore(client, first, confirm_lockout="on")) == ["Saved as revision 3."]
    with doors(hard=True):
        second = SettingRevision.objects.get(cluster=cluster, number=2)
        assert "more than you" in refusals(restore(client, second, confirm_lockout="on"))
    assert "revision 3, not 2" in refusals(restore(client, first, if_revision="2"))


@pytest.mark.alike
@pytest.mark.parametrize(
    "form",
    [
        {"sections": ["nothing"]},
        {"sections": ["login_policy", "x" * 9999]},
        {"confirm_within_seconds": "0"},
        {"confirm_within_seconds": "3601"},
        {"reason": "x" * 256},
        {"reason": "a\x00b"},
        {"if_revision": "x"},
        {"if_revision": "-1"},
    ],
)
def test_bad_input_changes_nothing(cluster: Cluster, first: SettingRevision, form: dict[str, Any]) -> None:
    assert refusals(restore(enter(Role.ADMINISTRATOR), first, **form))
    assert SettingRevision.objects.filter(cluster=cluster).count() == 2


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR])
def test_others_may_look_and_not_restore(cluster: Cluster, first: SettingRevision, role: str) -> None:
    client = enter(role)
    page = client.get(url(SettingRevision, "change", first.pk))
    assert page.status_code == 200 and b"/restore/" not in page.content
    assert client.get(url(SettingRevision, "restore", first.pk)).status_code == 403
    assert client.post(url(SettingRevision, "restore", first.pk)).status_code == 403


def origins(cluster: Cluster) -> str:
    return reverse("admin:settings_app_settingrevision_origins", args=[cluster.pk])


@pytest.mark.parametrize("role", Role.values)
def test_the_page_of_origins_tells_of_every_setting(cluster: Cluster, first: SettingRevision, role: str) -> None:
    page = enter(role).get(origins(cluster))
    shown = unescape(page.content.decode())
    assert page.status_code == 200 and faults(page) == []
    assert [path for path in setting_paths() if f'<tr id="{path}"' not in shown] == []
    row = shown.partition('<tr id="login_policy.login_fail_retry_times"')[2].partition("</tr>")[0]
    for told in (">9<", ">API<", ">somebody<", ">2</a>", "from the next request on"):
        assert told in row
    assert "stored and served only" in shown.partition('<tr id="storage_setting.hop_hc"')[2].partition("</tr>")[0]


def test_it_is_what_explain_says_in_four_queries(cluster: Cluster, first: SettingRevision) -> None:
    with CaptureQueriesContext(connection) as queries:
        found = explain_all(cluster)
    assert len(queries) == 4  # sections · SNMP targets · newest origins · revisions that set something
    assert found == [explain(cluster.pk, one["path"]) for one in found]
    assert sorted(one["path"] for one in found) == sorted(setting_paths())


def test_each_input_leads_to_its_origin_and_the_list_to_the_page(cluster: Cluster) -> None:
    client = enter(Role.ADMINISTRATOR)
    form = client.get(url(LoginPolicy, "change", cluster.pk)).content.decode()
    assert f'href="{origins(cluster)}#login_policy.token_expire_second"' in form
    form = client.get(url(AccessControlPolicy, "change", cluster.pk)).content.decode()
    assert f"{origins(cluster)}#access_control_policy.ip_access_control_policy.whitelist" in form
    assert origins(cluster) in client.get(url(SettingRevision, "changelist")).content.decode()
    one = {"number": "1", "cluster__uuid__exact": str(cluster.pk)}
    assert client.get(url(SettingRevision, "changelist"), one).status_code == 200
    assert client.get(url(SettingRevision, "changelist"), {"number": "x"}, follow=True).status_code == 200


def test_hostile_text_is_text(cluster: Cluster) -> None:
    update_settings(cluster, {"mail_setting": {"sender_name": "<script>alert(1)</script>"}}, SYSTEM, reason="<b>x</b>")
    page = enter(Role.ADMINISTRATOR).get(origins(cluster))
    assert faults(page) == [] and b"<script>alert" not in page.content


def test_no_such_cluster_is_no_page(cluster: Cluster) -> None:
    client = enter(Role.ADMINISTRATOR)
    path = reverse("admin:settings_app_settingrevision_origins", args=["00000000-0000-0000-0000-000000000001"])
    assert client.get(path).status_code == 404
    assert Client().get(origins(cluster)).status_code == 302
