"""The sender with real SMTP servers: nothing is lost, nothing goes out twice, nothing goes on for ever."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from cluster.models import Cluster
from settings_app.mail import sender
from settings_app.models import MailSetting, OutboxMail
from sysmgr.events.models import Alert
from tests.together import at_once

from .mails import RECEIVER, closed_port, configure, due_again, queued
from .servers import Mailbox, authenticate, smtp


def test_mail_is_sent_once_and_kept_as_sent(cluster: Cluster) -> None:
    mailbox = Mailbox()
    with smtp(mailbox) as port:
        configure(cluster, port, sender_name="系统管理")
        queued(cluster, RECEIVER, "b@example.com", RECEIVER, subject="two\r\nlines", body="Hello.\n你好。\n")
        sender.send_due()
        sender.send_due()
    assert sorted(message["To"] for message in mailbox.messages) == ["b@example.com", RECEIVER]
    message = mailbox.messages[0]
    assert (message["Subject"], message.get_content().splitlines()) == ("two lines", ["Hello.", "你好。"])
    assert set(OutboxMail.objects.values_list("state", "attempts", "next_time", "claim")) == {("sent", 1, None, None)}
    ids = {message["Message-ID"] for message in mailbox.messages}
    assert ids == set(OutboxMail.objects.values_list("message_id", flat=True)) and len(ids) == 2


def test_a_failing_server_is_tried_again_more_and_more_slowly_until_the_last_time(cluster: Cluster) -> None:
    configure(cluster, closed_port())
    mail = queued(cluster)
    queued(cluster, "second@example.com")
    waits = []
    for _ in range(sender.TRIES - 1):
        OutboxMail.objects.filter(pk=mail.pk).update(next_time=timezone.now() - timedelta(hours=1))
        sender.send_due()
        mail.refresh_from_db()
        waits.append(round((mail.next_time - timezone.now()).total_seconds() / 60))  # type: ignore[operator]
    assert waits == [round(wait.total_seconds() / 60) for wait in sender.WAITS]
    assert (mail.state, mail.last_stage) == ("waiting", "connect")
    # A server that fails is asked for one mail a turn.
    assert set(OutboxMail.objects.exclude(pk=mail.pk).values_list("attempts", flat=True)) == {0}
    assert not Alert.objects.exists()
    OutboxMail.objects.filter(pk=mail.pk).update(next_time=timezone.now() - timedelta(hours=1))
    sender.send_due()
    mail.refresh_from_db()
    assert (mail.state, mail.attempts, mail.next_time) == ("failed", sender.TRIES, None)
    alert = Alert.objects.get(close_time=None)
    assert (alert.key, alert.cluster_uuid) == (f"mail.failed:{cluster.pk}", cluster.pk)


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # the server's, about clear text on loopback
def test_a_wrong_password_is_no_definite_no_and_never_in_the_reply(cluster: Cluster) -> None:
    with smtp(Mailbox(), authenticator=authenticate, auth_require_tls=False, auth_required=True) as port:
        configure(cluster, port, smtp_account="user")
        row = MailSetting.objects.get(cluster=cluster)
        row.smtp_password = "wrong-secret"
        row.save(update_fields=["smtp_password"])
        mail = queued(cluster)
        sender.send_due()
    mail.refresh_from_db()
    assert (mail.state, mail.last_stage) == ("waiting", "login")
    assert mail.last_reply.startswith("5") and "wrong-secret" not in mail.last_reply


def test_a_mail_that_cannot_be_written_fails_and_holds_up_no_other(cluster: Cluster) -> None:
    mailbox = Mailbox()
    with smtp(mailbox) as port:
        configure(cluster, port)
        queued(cluster, "no address at all")
        queued(cluster)
        sender.send_due()
    assert [message["To"] for message in mailbox.messages] == [RECEIVER]
    assert OutboxMail.objects.get(state="failed").last_stage == "message"


def test_a_claim_of_a_process_that_died_ends_and_the_mail_goes_out_under_its_id(cluster: Cluster) -> None:
    mailbox = Mailbox()
    with smtp(mailbox) as port:
        configure(cluster, port)
        mail = queued(cluster)
        assert sender._claim(OutboxMail.objects.get())  # and then the process is killed
        sender.send_due()
        assert mailbox.messages == []
        OutboxMail.objects.update(claim_end=timezone.now() - timedelta(seconds=1))
        sender.send_due()
        mail.refresh_from_db()
        assert (mail.state, mail.attempts, mail.last_stage) == ("waiting", 1, "claim")
        due_again()
        sender.send_due()
    mail.refresh_from_db()
    assert (mail.state, mail.attempts, [m["Message-ID"] for m in mailbox.messages]) == ("sent", 2, [mail.message_id])


def test_who_lost_its_claim_writes_nothing(cluster: Cluster) -> None:
    queued(cluster)
    slow = OutboxMail.objects.get()
    assert sender._claim(slow)
    OutboxMail.objects.update(claim=uuid.uuid4())
    sender._note(slow, None)
    assert OutboxMail.objects.get().state == "sending"


@pytest.mark.django_db(transaction=True)
def test_many_senders_at_once_send_each_mail_once(cluster: Cluster) -> None:
    mailbox = Mailbox()
    with smtp(mailbox) as port:
        configure(cluster, port)
        queued(cluster, *[f"r{n}@example.com" for n in range(8)])
        at_once([sender.send_due] * 4)
    assert sorted(message["To"] for message in mailbox.messages) == [f"r{n}@example.com" for n in range(8)]
    assert set(OutboxMail.objects.values_list("state", "attempts")) == {("sent", 1)}


@pytest.mark.django_db(transaction=True)
def test_a_cluster_that_sends_at_once_does_so_after_the_commit_and_falls_back_to_the_outbox(cluster: Cluster) -> None:
    mailbox = Mailbox()
    with smtp(mailbox) as port:
        configure(cluster, port, asynchronous_send_enabled=False)
        with transaction.atomic():
            mail = queued(cluster)
            assert mailbox.messages == []
        assert len(mailbox.messages) == 1
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            queued(cluster)
            raise ZeroDivisionError
        assert len(mailbox.messages) == OutboxMail.objects.count() == 1
    configure(cluster, closed_port(), asynchronous_send_enabled=False)
    second = queued(cluster, "a@example.com", "b@example.com")
    mail.refresh_from_db()
    second.refresh_from_db()
    assert (mail.state, second.state, second.last_stage) == ("sent", "waiting", "connect")
    # The server was asked once; the second receiver waits without a mark.
    assert sorted(OutboxMail.objects.values_list("attempts", flat=True)) == [0, 1, 1]


@pytest.mark.django_db(transaction=True)
def test_an_asynchronous_cluster_leaves_it_to_the_manager(cluster: Cluster) -> None:
    mailbox = Mailbox()
    with smtp(mailbox) as port:
        configure(cluster, port)
        queued(cluster)
    assert (mailbox.messages, OutboxMail.objects.get().attempts) == ([], 0)


def test_mail_of_a_cluster_that_never_sends_ends_without_an_alert(cluster: Cluster) -> None:
    queued(cluster)
    old = timezone.now() - timedelta(days=sender.UNCONFIGURED_DAYS, minutes=1)
    OutboxMail.objects.update(create_time=old)
    queued(cluster, "new@example.com")
    sender.give_up_unconfigured()
    sender.send_due()
    assert sorted(OutboxMail.objects.values_list("state", "last_stage")) == [("failed", "disabled"), ("waiting", "")]
    assert not Alert.objects.exists()
