"""The outbox at the admin's door: administrators retry and remove, others look, the text is on no page."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster
from settings_app.models import OutboxMail
from sysmgr.accounts.models import Role
from sysmgr.audit.models import AuditRow
from tests import rows
from tests.pages import LANGUAGES, enter, faults, refusals, said, url

ACTS = ("retry", "remove")


def act(client: Client, mail: OutboxMail, name: str) -> Any:
    return client.post(url(OutboxMail, name, mail.pk), follow=True)


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_ask_first(cluster: Cluster, language: str) -> None:
    mail, client = rows.mail(cluster, "failed"), enter(Role.ADMINISTRATOR, language)
    for name in ("change", *ACTS):
        page = client.get(url(OutboxMail, name, mail.pk))
        assert (page.status_code, faults(page)) == (200, []) and "very-mail-text" not in page.content.decode()
    mail.refresh_from_db()
    assert mail.state == "failed"


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR])
def test_others_see_and_do_nothing(cluster: Cluster, role: str) -> None:
    mail, client = rows.mail(cluster, "failed"), enter(role)
    page = client.get(url(OutboxMail, "change", mail.pk)).content.decode()
    assert mail.receiver in page and "/retry/" not in page and "very-mail-text" not in page
    assert [act(client, mail, name).status_code for name in ACTS] == [403, 403]
    assert OutboxMail.objects.get().state == "failed"


def test_a_mail_is_tried_again_and_removed(cluster: Cluster) -> None:
    mail, client = rows.mail(cluster, "failed"), enter(Role.ADMINISTRATOR)
    for _ in range(2):
        assert said(act(client, mail, "retry")) == ["The mail is tried again."]
    assert OutboxMail.objects.get().state == "waiting"
    gone = act(client, mail, "remove")
    assert (gone.redirect_chain[0][0], said(gone)) == (url(OutboxMail, "changelist"), ["The mail is removed."])
    assert act(client, mail, "remove").redirect_chain[0][0] == "/admin/"
    told = AuditRow.objects.filter(door="admin", action__startswith="mail").values_list("action", flat=True)
    assert sorted(told) == ["mail.outbox.remove", "mail.outbox.retry", "mail.outbox.retry"]


def test_a_mail_that_was_sent_is_not_tried_again(cluster: Cluster) -> None:
    mail, client = rows.mail(cluster, "sent"), enter(Role.ADMINISTRATOR, "zh-hans")
    assert "/retry/" not in client.get(url(OutboxMail, "change", mail.pk)).content.decode()
    assert "邮件" in refusals(act(client, mail, "retry"))
