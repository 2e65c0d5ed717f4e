"""`mail/outbox/*` at the API door: what is shown to whom, tried again, removed; also beside the sender."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from cluster.models import Cluster
from settings_app.mail import sender
from settings_app.models import MailSetting, OutboxMail
from sysmgr.audit.models import AuditRow
from sysmgr.events.models import Alert
from tests.conftest import client_of
from tests.together import at_once

from .mails import RECEIVER, configure, queued
from .servers import Mailbox, smtp

BASE = "/v1/system/mail/outbox"


def post(client: Client, what: str, **body: Any) -> Any:
    return client.post(f"{BASE}/{what}", json.dumps(body, default=str), content_type="application/json")


def states(client: Client, **query: Any) -> list[tuple[str, str]]:
    return [(m["receiver"], m["state"]) for m in client.get(f"{BASE}/list", query).json()["data"]["list"]]


def test_the_text_is_encrypted_and_shown_to_administrators_only(cluster: Cluster, api: Client) -> None:
    mail = queued(cluster, body="https://link/with-a-secret")
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM settings_app_outboxmail")
        assert "with-a-secret" not in cursor.fetchone()[0]
    listed = api.get(f"{BASE}/list")
    assert "with-a-secret" not in listed.content.decode()
    assert list(listed.json()["data"]["list"][0]) == [
        "mail_uuid",
        "state",
        "receiver",
        "subject",
        "attempts",
        "last_stage",
        "last_reply",
        "next_time",
    ]
    query = {"mail_uuid": str(mail.pk)}
    assert api.get(f"{BASE}/inspect", query).json()["data"]["body"] == "https://link/with-a-secret"
    for role in ("operator", "auditor"):
        seen = client_of(role).get(f"{BASE}/inspect", query)
        assert (seen.status_code, seen.json()["data"]["body"]) == (200, None)
        assert seen.json()["data"]["receiver"] == RECEIVER


def test_mail_waits_with_a_reason_while_mail_is_off_and_goes_out_then(cluster: Cluster, api: Client) -> None:
    queued(cluster)
    sender.send_due()
    (mail,) = api.get(f"{BASE}/list").json()["data"]["list"]
    assert (mail["state"], mail["attempts"], mail["last_stage"]) == ("waiting", 0, "disabled")
    assert "mail_setting" in mail["last_reply"]
    mailbox = Mailbox()
    with smtp(mailbox) as port:
        configure(cluster, port)
        sender.send_due()
    assert len(mailbox.messages) == 1


def test_a_definite_no_ends_a_mail_at_once_and_a_retry_begins_anew(cluster: Cluster, api: Client) -> None:
    with smtp(Mailbox(refuse_receiver=True)) as port:
        configure(cluster, port)
        mail = queued(cluster)
        sender.send_due()
    (shown,) = api.get(f"{BASE}/list").json()["data"]["list"]
    assert (shown["state"], shown["attempts"], shown["last_stage"]) == ("failed", 1, "receiver")
    assert (shown["last_reply"], shown["next_time"]) == ("550 no such mailbox", None)
    assert Alert.objects.filter(close_time=None).count() == 1
    first_id = OutboxMail.objects.get().message_id
    answer = post(api, "retry", mail_uuid=mail.pk)
    assert (answer.status_code, answer.json()["data"]) == (200, {})
    assert post(api, "retry", mail_uuid=mail.pk).status_code == 200
    mailbox = Mailbox()
    with smtp(mailbox) as port:
        configure(cluster, port)
        sender.send_due()
    assert [message["Message-ID"] for message in mailbox.messages] == [first_id]
    assert not Alert.objects.filter(close_time=None).exists()
    sent = post(api, "retry", mail_uuid=mail.pk)
    assert (sent.status_code, sent.json()["scode"]) == (409, 3032)
    assert AuditRow.objects.filter(action="mail.outbox.retry").count() == 2


def test_the_list_shows_what_waits_or_failed_first_and_only_this_clusters(cluster: Cluster, api: Client) -> None:
    from settings_app.services import create_defaults
    from sysmgr.audit.services import SYSTEM

    other = Cluster.objects.create(name="other")
    if not MailSetting.objects.filter(cluster=other).exists():
        create_defaults(other, SYSTEM)
    foreign = queued(other, "foreign@example.com")
    for place, state in enumerate(["failed", "sent", "waiting", "sent"]):
        mail = queued(cluster, f"{place}@example.com")
        gone: dict[str, Any] = {} if state == "waiting" else {"next_time": None, "end_time": timezone.now()}
        OutboxMail.objects.filter(pk=mail.pk).update(
            state=state, create_time=timezone.now() + timedelta(seconds=place), **gone
        )
    expected = [("2@example.com", "waiting"), ("0@example.com", "failed")]
    expected += [("3@example.com", "sent"), ("1@example.com", "sent")]
    assert states(api) == expected
    assert states(api, page_size=1, page_num=1) == expected[1:2]
    assert states(api, filter_name="3@") == expected[2:3]
    assert states(api, cluster_uuid=str(other.pk)) == [("foreign@example.com", "waiting")]
    for what in ("retry", "remove"):
        answer = post(api, what, mail_uuid=foreign.pk)
        assert (answer.status_code, answer.json()["scode"], answer.json()["desc"]) == (404, 3030, "mail_uuid")
    assert api.get(f"{BASE}/inspect", {"mail_uuid": str(foreign.pk)}).status_code == 404
    assert post(api, "remove", mail_uuid=foreign.pk, cluster_uuid=other.pk).status_code == 200


def test_removing_is_refused_while_it_is_sent_and_done_once(cluster: Cluster, api: Client) -> None:
    mail = queued(cluster)
    assert sender._claim(OutboxMail.objects.get())
    for what in ("retry", "remove"):
        busy = post(api, what, mail_uuid=mail.pk)
        assert (busy.status_code, busy.json()["scode"]) == (409, 3031)
    OutboxMail.objects.update(state="failed", claim=None, claim_end=None)
    assert [post(api, "remove", mail_uuid=mail.pk).status_code for _ in range(2)] == [200, 404]
    assert AuditRow.objects.filter(action="mail.outbox.remove").count() == 1


@pytest.mark.django_db(transaction=True)
def test_removed_many_times_at_once_it_is_removed_once(cluster: Cluster, api: Client) -> None:
    mail = queued(cluster)
    answers = at_once([lambda: post(api, "remove", mail_uuid=mail.pk)] * 6)
    assert sorted(answer.status_code for answer in answers) == [200] + [404] * 5
    assert AuditRow.objects.filter(action="mail.outbox.remove").count() == 1


@pytest.mark.django_db(transaction=True)
def test_retried_beside_senders_it_goes_out_once(cluster: Cluster, api: Client) -> None:
    mailbox = Mailbox()
    with smtp(mailbox) as port:
        configure(cluster, port)
        mail = queued(cluster)
        OutboxMail.objects.update(state="failed", next_time=None, end_time=timezone.now(), attempts=sender.TRIES)
        answers = at_once([lambda: post(api, "retry", mail_uuid=mail.pk)] * 3 + [sender.send_due] * 3)
        sender.send_due()
    assert {answer.status_code for answer in answers[:3]} <= {200, 409} and len(mailbox.messages) == 1
    assert OutboxMail.objects.get().state == "sent"


@pytest.mark.parametrize("path", ["mail/outbox/retry", "mail/outbox/remove"])
def test_only_administrators_write_and_bodies_are_strict(cluster: Cluster, api: Client, path: str) -> None:
    mail, what = queued(cluster), path.removeprefix("mail/outbox/")
    for role in ("operator", "auditor"):
        assert post(client_of(role), what, mail_uuid=mail.pk).status_code == 403
    wrong: list[tuple[dict[str, Any], str]] = [({}, "mail_uuid"), ({"mail_uuid": 5}, "mail_uuid")]
    for body, desc in [*wrong, ({"mail_uuid": mail.pk, "x": 1}, "x")]:
        answer = post(api, what, **body)
        assert (answer.status_code, answer.json()["desc"]) == (400, desc)


def test_reads_need_a_good_query_and_a_token(cluster: Cluster, api: Client, client: Client) -> None:
    assert api.get(f"{BASE}/inspect").json()["desc"] == "mail_uuid"
    assert api.get(f"{BASE}/inspect", {"mail_uuid": str(uuid.uuid4())}).json()["scode"] == 3030
    assert api.get(f"{BASE}/list", {"page_num": "x"}).status_code == 400
    assert client.get(f"{BASE}/list").status_code == 401
