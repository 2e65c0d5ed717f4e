"""The admin as a whole: every model has its page, each role sees what it may, and nothing can be changed."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape

import pytest
from django.apps import apps
from django.contrib import admin
from django.core.exceptions import SuspiciousOperation
from django.db import connection
from django.db.models import Model
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from cluster.models import Cluster, Host, HostService
from settings_app.models import OutboxMail, SettingRevision, SnmpTarget
from settings_app.models.base import Section
from sysmgr.accounts.models import LoginGuard, Role, Token, User
from sysmgr.api.handler import handler400
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM, record
from sysmgr.events.alerts import Trouble, raise_alert
from sysmgr.events.models import Alert, Event
from sysmgr.events.services import emit
from tests import rows
from tests.pages import enter, url
from upgrades.models import Backup, PackagePayload, UpgradeItem, UpgradeRun

OURS = ("accounts", "api", "audit", "events", "cluster", "settings_app", "upgrades")
# Shown in the page of the row that they belong to.
INSIDE = {SnmpTarget, PackagePayload}
MODELS = [model for app in OURS for model in apps.get_app_config(app).get_models()]
PAGES = [model for model in MODELS if model not in INSIDE]
CLOSED_TO_OPERATORS = {"accounts", "audit"}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_has_a_page(model: type[Model]) -> None:
    assert admin.site.is_registered(model) or model in INSIDE


@pytest.mark.parametrize("role", Role.values)
def test_each_role_sees_what_it_may(cluster: Cluster, role: str) -> None:
    rows.one_of_each(cluster)
    client = enter(role)
    for model in PAGES:
        closed = role == Role.OPERATOR and model._meta.app_label in CLOSED_TO_OPERATORS
        row = model._default_manager.first()
        assert row is not None, model
        listed = client.get(url(model, "changelist"))
        wanted = 403 if closed else 302 if issubclass(model, Section) else 200
        assert (model, listed.status_code) == (model, wanted)
        shown = client.get(url(model, "change", row.pk))
        assert (model, shown.status_code) == (model, 403 if closed else 200)
        editable = issubclass(model, Section) and role == Role.ADMINISTRATOR
        assert (b'name="_save"' in shown.content) == editable, model
    assert client.get(reverse("admin:index")).status_code == 200


@pytest.mark.parametrize("role", Role.values)
def test_nothing_is_added_changed_or_deleted(cluster: Cluster, role: str) -> None:
    rows.one_of_each(cluster)
    client = enter(role)
    for model in PAGES:
        row = model._default_manager.first()
        assert row is not None
        assert client.get(url(model, "add")).status_code == 403, model
        assert client.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403, model
        if not (issubclass(model, Section) and role == Role.ADMINISTRATOR):
            assert client.post(url(model, "change", row.pk), {}).status_code == 403, model
        listed = client.get(url(model, "changelist"))
        if listed.status_code == 200:
            assert b"delete_selected" not in listed.content, model


def test_hashes_digests_and_kept_answers_are_on_no_page(cluster: Cluster) -> None:
    rows.one_of_each(cluster)
    client = enter(Role.ADMINISTRATOR)
    somebody = User.objects.get(user_name="somebody")
    secrets = [somebody.password, "scrypt$", "d" * 63, "very-shared", "answer-kept", "very-c", "very-mail-text"]
    secrets += ["enc:1:"]
    for model in PAGES:
        row = somebody if model is User else model._default_manager.first()
        assert row is not None
        text = unescape(client.get(url(model, "change", row.pk)).content.decode())
        text += unescape(client.get(url(model, "changelist"), follow=True).content.decode())
        assert not [secret for secret in secrets if secret in text], model


def many_hosts(cluster: Cluster, count: int) -> None:
    for place in range(count):
        rows.host(cluster, 100 + place)


def many_items(cluster: Cluster, count: int) -> None:
    brings = rows.package(cluster, "3.0")
    for place in range(count):
        run = UpgradeRun.objects.create(cluster=cluster, author="x")
        rows.item(run, Host.objects.create(cluster=cluster, host_ip=f"2001:db8::{place}", root="/x"), brings, 0)


def many_revisions(cluster: Cluster, count: int) -> None:
    for number in range(count):
        SettingRevision.objects.create(cluster=cluster, number=number + 10, author="x", door="api")


def many_events(cluster: Cluster, count: int) -> None:
    for _ in range(count):
        emit("x.y", cluster.pk, "a", "b", cluster_uuid=cluster.pk)


def many_audit_rows(cluster: Cluster, count: int) -> None:
    for _ in range(count):
        record(SYSTEM, "x", "y")


def many_tokens(cluster: Cluster, count: int) -> None:
    first = Token.objects.earliest("create_time")
    for place in range(count):
        user = User.objects.create_user(f"u-{place}")
        Token.objects.create(
            user=user,
            digest=f"{place:064}",
            source="::1",
            create_time=first.create_time,
            last_used_time=first.create_time,
            expire_time=first.expire_time,
        )


def many_alerts(cluster: Cluster, count: int) -> None:
    for place in range(count):
        raise_alert(f"x.{place}", Trouble("a", "b"))


def many_mails(cluster: Cluster, count: int) -> None:
    for _ in range(count):
        rows.mail(cluster)


@pytest.mark.parametrize(
    ("model", "more", "budget"),
    [
        # policy (the gate) · session · user · then: number of rows · rows (and clusters or states for the filters)
        (HostService, many_hosts, 6),
        (UpgradeItem, many_items, 6),
        (UpgradeRun, many_items, 6),
        (SettingRevision, many_revisions, 8),  # what waits for its confirmation, clusters for the links
        (Event, many_events, 5),
        (AuditRow, many_audit_rows, 5),
        (Token, many_tokens, 5),
        (Host, many_hosts, 6),
        (Backup, many_items, 6),
        (Alert, many_alerts, 5),
        (OutboxMail, many_mails, 6),
    ],
)
def test_a_list_costs_the_same_with_one_row_and_with_many(
    cluster: Cluster, model: type[Model], more: Callable[[Cluster, int], None], budget: int
) -> None:
    rows.one_of_each(cluster)
    client = enter(Role.ADMINISTRATOR)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url(model, "changelist")).status_code == 200
        return len(queries)

    cost()
    few = cost()
    more(cluster, 30)
    cost()  # new revisions have the policy read once
    assert (cost(), few) == (few, few)
    assert few <= budget


def test_newest_first(cluster: Cluster) -> None:
    rows.one_of_each(cluster)
    many_audit_rows(cluster, 2)
    many_events(cluster, 2)
    client = enter(Role.AUDITOR)
    for model in (AuditRow, Event):
        listed = client.get(url(model, "changelist")).context["cl"].result_list
        assert [row.pk for row in listed] == sorted((row.pk for row in listed), reverse=True)


def test_lists_can_be_filtered_and_searched(cluster: Cluster) -> None:
    rows.one_of_each(cluster)
    record(SYSTEM, "login", "user x", result="refused")
    client = enter(Role.AUDITOR)
    refused = client.get(url(AuditRow, "changelist"), {"result": "refused"}).context["cl"].result_list
    assert [row.action for row in refused] == ["login"]
    run = UpgradeRun.objects.get()
    for model in PAGES:
        if admin.site.get_model_admin(model).search_fields:
            assert client.get(url(model, "changelist"), {"q": str(run.pk)}).status_code == 200, model
    assert list(client.get(url(UpgradeRun, "changelist"), {"q": str(run.pk)}).context["cl"].result_list) == [run]


def test_messages_are_shown_in_the_language_of_the_page(cluster: Cluster) -> None:
    rows.one_of_each(cluster)
    english, chinese = enter(Role.OPERATOR), enter(Role.AUDITOR, "zh-hans")
    page = url(Event, "changelist")
    assert "It happened." in english.get(page).content.decode()
    assert "已发生。" in chinese.get(page).content.decode()
    run = UpgradeRun.objects.get()
    assert "中文消息" in chinese.get(url(UpgradeRun, "change", run.pk)).content.decode()


def test_people_log_in_and_out_through_the_pages(cluster: Cluster) -> None:
    User.objects.create_user("admin", "right-password", role=Role.ADMINISTRATOR)
    client = Client(enforce_csrf_checks=True)
    page = client.get(reverse("admin:index"), follow=True)
    assert page.redirect_chain[0][0].startswith("/admin/login/")
    form = {"username": "admin", "password": "wrong", "csrfmiddlewaretoken": client.cookies["csrftoken"].value}
    assert client.post("/admin/login/?next=/admin/", form).status_code == 200
    LoginGuard.objects.all().delete()  # the demo's policy locks after one failure, for a second
    entered = client.post("/admin/login/?next=/admin/", {**form, "password": "right-password"}, follow=True)
    assert entered.status_code == 200 and "System manager" in entered.content.decode()
    left = {"csrfmiddlewaretoken": client.cookies["csrftoken"].value}
    assert client.post("/admin/logout/", left).status_code == 200
    assert client.get("/admin/").status_code == 302
    told = AuditRow.objects.filter(door="admin").order_by("seq").values_list("action", "result", "user_name", "source")
    assert list(told) == [
        ("login.lock", "refused", "admin", "127.0.0.1"),
        ("login", "refused", "admin", "127.0.0.1"),
        ("login", "success", "admin", "127.0.0.1"),
        ("logout", "success", "admin", "127.0.0.1"),
    ]


def test_a_user_that_is_switched_off_does_not_get_in(cluster: Cluster) -> None:
    client = enter(Role.ADMINISTRATOR)
    User.objects.update(is_active=False)
    assert client.get("/admin/").status_code == 302


def test_a_refused_request_is_an_envelope_only_under_v1(rf: RequestFactory) -> None:
    refused = SuspiciousOperation("no")
    assert handler400(rf.get("/v1/x"), refused)["Content-Type"] == "application/json"
    elsewhere = handler400(rf.get("/admin/x"), refused)
    assert (elsewhere.status_code, elsewhere["Content-Type"].partition(";")[0]) == (400, "text/html")
