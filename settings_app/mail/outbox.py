"""The outbox: mail is written here by what causes it, and leaves from here; people retry it or remove it."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction

from cluster.clock import database_now
from cluster.models import Cluster
from settings_app.models import MailSetting, OutboxMail
from sysmgr.audit.services import Actor, record

from .errors import MailAlreadySent, MailNotFound, MailUnderWay
from .sender import deliver_now, ready

State = OutboxMail.State


@transaction.atomic
def queue(cluster: Cluster, receivers: Iterable[str], subject: str, body: str) -> list[OutboxMail]:
    """Write one mail for each receiver; call it in the transaction that causes them, and they go out if it commits."""
    now = database_now()
    return [
        OutboxMail.objects.create(
            cluster=cluster,
            receiver=receiver,
            subject=" ".join(subject.split())[:255],
            body=body,
            next_time=now,
            create_time=now,
        )
        for receiver in dict.fromkeys(receivers)
    ]


@transaction.atomic
def send(cluster: Cluster, receivers: Iterable[str], subject: str, body: str) -> list[OutboxMail]:
    """Queue mail, and where the cluster sends synchronously try it once right after the commit, in this thread.

    What does not go out then stays in the outbox and is tried again by the manager.
    """
    mails = queue(cluster, receivers, subject, body)
    setting = MailSetting.objects.get(cluster=cluster)
    if ready(setting) and not setting.asynchronous_send_enabled:
        transaction.on_commit(lambda: deliver_now([mail.pk for mail in mails]), robust=True)
    return mails


@transaction.atomic
def retry(cluster: Cluster, mail_uuid: UUID, actor: Actor) -> None:
    """Have a mail tried again now, with all of its tries; raise MailNotFound, MailUnderWay or MailAlreadySent."""
    mail = _held(cluster, mail_uuid)
    if mail.state == State.SENT:
        raise MailAlreadySent("mail_uuid")
    mail.state, mail.attempts, mail.next_time, mail.end_time = State.WAITING, 0, database_now(), None
    mail.save(update_fields=["state", "attempts", "next_time", "end_time"])
    record(actor, "mail.outbox.retry", f"mail {mail.pk}")


@transaction.atomic
def remove(cluster: Cluster, mail_uuid: UUID, actor: Actor) -> None:
    """Remove a mail that is not being sent; raise MailNotFound or MailUnderWay."""
    mail = _held(cluster, mail_uuid)
    told = f"mail {mail.pk} ({mail.state})"
    mail.delete()
    record(actor, "mail.outbox.remove", told)


def _held(cluster: Cluster, mail_uuid: UUID) -> OutboxMail:
    mail = OutboxMail.objects.select_for_update().defer("body").filter(cluster=cluster, pk=mail_uuid).first()
    if mail is None:
        raise MailNotFound("mail_uuid")
    if mail.state == State.SENDING:
        raise MailUnderWay("mail_uuid")
    return mail
