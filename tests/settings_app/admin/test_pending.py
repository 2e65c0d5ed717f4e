"""A change on probation at the admin's door: a banner on every page of the cluster's settings, and its confirmation."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from cluster.models import Cluster
from settings_app.models import LoginPolicy, PendingChange, SettingRevision, StorageSetting
from settings_app.sections import SECTIONS
from settings_app.services import create_defaults, update_settings
from sysmgr.accounts.models import Role
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from tests.pages import faults
from tests.pages import url as page_of
from tests.settings_app.steps import let_pass

from .forms import enter, errors, revisions, save, url

BANNER = "waits for its confirmation: it is taken back by itself at"


def wait(cluster: Cluster) -> PendingChange:
    """Put a change on probation."""
    update_settings(cluster, {"mail_setting": {"smtp_password": "hush"}}, SYSTEM, confirm_within_seconds=600)
    return PendingChange.objects.get(cluster=cluster)


def pages(cluster: Cluster) -> list[str]:
    revision = SettingRevision.objects.filter(cluster=cluster).latest("number")
    origins = reverse("admin:settings_app_settingrevision_origins", args=[cluster.pk])
    lists = [page_of(SettingRevision, "changelist"), page_of(SettingRevision, "change", revision.pk), origins]
    return [*(url(model, cluster) for model in SECTIONS.values()), *lists, reverse("admin:index")]


def confirm(client: Client, cluster: Cluster, **form: Any) -> Any:
    return client.post(page_of(PendingChange, "confirm", cluster.pk), form, follow=True)


def text(page: Any) -> str:
    return unescape(page.content.decode())


def test_the_form_puts_a_change_on_probation(cluster: Cluster) -> None:
    client = enter()
    answer = save(client, LoginPolicy, cluster, login_fail_retry_times="9", confirm_within_seconds="60")
    shown = text(client.get(answer["Location"]))
    assert "It is taken back by itself in 60 seconds unless it is confirmed." in shown and BANNER in shown
    let_pass()
    assert BANNER not in text(client.get(answer["Location"]))
    assert LoginPolicy.objects.get(cluster=cluster).login_fail_retry_times == 1


@pytest.mark.parametrize("role", Role.values)
def test_every_page_of_the_settings_tells_and_only_administrators_confirm(cluster: Cluster, role: str) -> None:
    client = enter(role)
    for page in pages(cluster):
        assert BANNER not in text(client.get(page))
    row = wait(cluster)
    action = f'action="{page_of(PendingChange, "confirm", cluster.pk)}"'
    for page in pages(cluster):
        shown = client.get(page)
        assert faults(shown) == [] and BANNER in text(shown), page
        assert f"{row.deadline:%Y-%m-%d %H:%M:%S}" in text(shown)
        assert (action in text(shown)) == (role == Role.ADMINISTRATOR), page


def test_other_clusters_pages_say_nothing(cluster: Cluster) -> None:
    other = Cluster.objects.create(name="other")
    create_defaults(other, SYSTEM)
    wait(cluster)
    client = enter()
    assert BANNER not in text(client.get(url(StorageSetting, other)))
    assert save(client, StorageSetting, other, hop_hc="4").status_code == 302
    assert BANNER in text(client.get(url(StorageSetting, other, "changelist")))  # the list shows both


def test_no_other_form_changes_anything_and_each_names_the_deadline(cluster: Cluster) -> None:
    client = enter()
    row = wait(cluster)
    for model, changed in ((StorageSetting, {"hop_hc": "4"}), (LoginPolicy, {"login_fail_retry_times": "9"})):
        (said,) = errors(save(client, model, cluster, **changed))["__all__"]
        assert said.startswith("Revision 2") and f"{row.deadline:%Y-%m-%dT%H:%M:%SZ}" in said
    assert revisions(cluster) == 2


def test_confirmed_it_stays(cluster: Cluster) -> None:
    client = enter()
    wait(cluster)
    asked = client.get(page_of(PendingChange, "confirm", cluster.pk))
    assert asked.status_code == 200 and faults(asked) == [] and PendingChange.objects.exists()
    assert "Revision 2 stands." in text(confirm(client, cluster, if_revision="2"))
    assert not PendingChange.objects.exists() and revisions(cluster) == 2
    audit = AuditRow.objects.latest("seq")
    assert (audit.action, audit.door, audit.user_name) == ("setting.confirm", "admin", "the-administrator")
    assert "This change waits no more" in text(confirm(client, cluster))


def test_what_the_page_did_not_show_is_not_confirmed(cluster: Cluster) -> None:
    client = enter()
    wait(cluster)
    for number, told in (("1", "at revision 2, not 1"), ("x", "Confirm"), ("9" * 30, "not 999")):
        page = confirm(client, cluster, if_revision=number)
        assert page.status_code == 200 and told in text(page)
    assert PendingChange.objects.exists()


def test_too_late_is_said(cluster: Cluster) -> None:
    client = enter()
    wait(cluster)
    let_pass()
    assert "This change waits no more" in text(confirm(client, cluster, if_revision="2"))
    assert SettingRevision.objects.latest("number").kind == "revert"


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR])
def test_others_may_not_confirm(cluster: Cluster, role: str) -> None:
    wait(cluster)
    client = enter(role)
    for answer in (client.get(page_of(PendingChange, "confirm", cluster.pk)), confirm(client, cluster)):
        assert answer.status_code == 403
    assert PendingChange.objects.exists()


def test_a_post_from_elsewhere_confirms_nothing(cluster: Cluster) -> None:
    wait(cluster)
    client = Client(enforce_csrf_checks=True)
    client.force_login(enter().get(reverse("admin:index")).wsgi_request.user)  # type: ignore[arg-type]
    assert confirm(client, cluster, if_revision="2").status_code == 403
    assert PendingChange.objects.exists()


def test_what_was_before_is_on_no_page_and_is_not_even_read(cluster: Cluster) -> None:
    wait(cluster)
    client = enter()
    for page in (*pages(cluster), page_of(PendingChange, "changelist"), page_of(PendingChange, "change", cluster.pk)):
        with CaptureQueriesContext(connection) as queries:
            shown = client.get(page)
        assert shown.status_code == 200 and "enc:1:" not in text(shown) and "hush" not in text(shown)
        assert not [query for query in queries if '"before"' in query["sql"]], page
