"""The reads of the outbox; a mail's text is shown to administrators only, and never in a list."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Case, IntegerField, Q, Value, When

from settings_app.models import OutboxMail
from sysmgr.api.paging import Page
from sysmgr.crypto import SecretUnreadable

from .errors import MailNotFound
from .sender import DISABLED, ready

State = OutboxMail.State


def outbox(cluster_uuid: UUID, page: Page) -> dict[str, Any]:
    """Return the cluster's mail: what waits or failed first, then what is or was sent, each the newest first.

    Queries: count, page (joined with the mail section, which says whether anything goes out at all).
    """
    urgent = Case(
        When(state__in=[State.WAITING, State.FAILED], then=Value(0)), default=Value(1), output_field=IntegerField()
    )
    rows = OutboxMail.objects.filter(cluster=cluster_uuid).select_related("cluster__mailsetting").defer("body")
    if page.name:
        rows = rows.filter(Q(receiver__icontains=page.name) | Q(subject__icontains=page.name))
    return page.cut(rows.order_by(urgent, "-create_time", "pk"), _mail)


def inspect(cluster_uuid: UUID, mail_uuid: UUID, *, with_body: bool) -> dict[str, Any]:
    """Return one mail, its text null where it may not be shown or can't be read; raise MailNotFound. One query."""
    rows = OutboxMail.objects.select_related("cluster__mailsetting")
    mail = rows.filter(cluster=cluster_uuid, pk=mail_uuid).first()
    if mail is None:
        raise MailNotFound("mail_uuid")
    return {
        **_mail(mail),
        "message_id": mail.message_id,
        "create_time": int(mail.create_time.timestamp()),
        "end_time": int(mail.end_time.timestamp()) if mail.end_time else None,
        "body": _body(mail) if with_body else None,
    }


def _mail(mail: OutboxMail) -> dict[str, Any]:
    stage, reply = mail.last_stage, mail.last_reply
    if mail.state == State.WAITING and not ready(mail.cluster.mailsetting):
        stage, reply = DISABLED, "mail is off, or has no server or sender: see mail_setting"
    return {
        "mail_uuid": str(mail.pk),
        "state": mail.state,
        "receiver": mail.receiver,
        "subject": mail.subject,
        "attempts": mail.attempts,
        "last_stage": stage,
        "last_reply": reply,
        "next_time": int(mail.next_time.timestamp()) if mail.next_time else None,
    }


def _body(mail: OutboxMail) -> str | None:
    try:
        text: str = mail.body.reveal()
    except SecretUnreadable:
        return None
    return text
