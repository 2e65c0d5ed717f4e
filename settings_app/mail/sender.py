"""The sender: takes due mail from the outbox under a claim that ends by itself, and notes what became of it.

A mail goes out at least once: a process that dies between the server's yes and our note of it sends it again
under the same Message-ID.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from cluster.clock import database_now
from cluster.models import Cluster
from settings_app.models import MailSetting, OutboxMail
from sysmgr import env
from sysmgr.crypto import SecretUnreadable
from sysmgr.errors import SysmgrError
from sysmgr.events.alerts import Trouble, reconcile

from .smtp import SmtpServer, build_message, new_message_id, send

log = logging.getLogger("sysmgr.mail")
State = OutboxMail.State

WAITS = [timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 180, 360)]
TRIES = len(WAITS) + 1
CLAIM = timedelta(minutes=2)  # a session takes 20 s at most
UNCONFIGURED_DAYS = 7  # so long mail waits for a cluster whose mail is off
DISABLED = "disabled"
_MOST_AT_ONCE = 50
# A definite no to this mail: the next try would hear it again. Other stages are about the server or its settings.
_FINAL_STAGES = ("receiver", "data")
_ALERT = "mail.failed:"
_READY = Q(cluster__mailsetting__enabled=True) & ~(
    Q(cluster__mailsetting__smtp_server_ip="") | Q(cluster__mailsetting__sender_mail="")
)


class _Failed(Exception):
    """Why a mail did not go out."""

    def __init__(self, stage: str, reply: str, *, final: bool = False) -> None:
        self.stage, self.reply, self.final = stage, reply, final
        super().__init__(stage)


def ready(setting: MailSetting) -> bool:
    """Whether a cluster's mail is switched on and knows a server and a sender."""
    return setting.enabled and bool(setting.smtp_server_ip and setting.sender_mail)


def send_due() -> None:
    """Send what is due, at most 50 at once; a server that fails is left alone until the next turn."""
    _release_ended_claims()
    failing: set[UUID] = set()
    for _ in range(_MOST_AT_ONCE):
        mail = _due().exclude(cluster__in=failing).order_by("next_time").first()
        if mail is None:
            break
        if _claim(mail) and not _deliver(mail):
            failing.add(mail.cluster_id)
    _show_failures()


def deliver_now(mail_uuids: Sequence[UUID]) -> None:
    """Try mails once in this thread; what fails stays in the outbox, and so does the rest when the server fails."""
    mails = OutboxMail.objects.filter(state=State.WAITING).in_bulk(mail_uuids)
    for mail in (mails[key] for key in mail_uuids if key in mails):
        if _claim(mail) and not _deliver(mail):
            return


def give_up_unconfigured() -> None:
    """End mail that waited for days on a cluster whose mail is off; without an alert, for nobody wants that mail."""
    old = database_now() - timedelta(days=UNCONFIGURED_DAYS)
    stale = (
        OutboxMail.objects.filter(state=State.WAITING, create_time__lt=old).exclude(_READY).values_list("pk", flat=True)
    )
    reply = f"mail was off or had no server for {UNCONFIGURED_DAYS} days"
    OutboxMail.objects.filter(pk__in=list(stale), state=State.WAITING).update(
        state=State.FAILED, next_time=None, end_time=database_now(), last_stage=DISABLED, last_reply=reply
    )


def _due() -> QuerySet[OutboxMail]:
    return OutboxMail.objects.filter(_READY, state=State.WAITING, next_time__lte=database_now())


def _claim(mail: OutboxMail) -> bool:
    """Take a waiting mail; False when somebody else was first."""
    if not mail.message_id:
        sender = MailSetting.objects.values_list("sender_mail", flat=True).get(cluster=mail.cluster_id)
        mail.message_id = new_message_id(sender)
    mail.claim = uuid.uuid4()
    moved = OutboxMail.objects.filter(pk=mail.pk, state=State.WAITING, attempts=mail.attempts).update(
        state=State.SENDING,
        attempts=mail.attempts + 1,
        next_time=None,
        claim=mail.claim,
        claim_end=database_now() + CLAIM,
        message_id=mail.message_id,
    )
    mail.attempts += moved
    return moved == 1


def _release_ended_claims() -> None:
    """Make mail due again whose sender died or hung; its attempt counts, so a mail that kills its sender ends too."""
    for mail in OutboxMail.objects.filter(state=State.SENDING, claim_end__lte=database_now()).defer("body"):
        _note(mail, _Failed("claim", "the process that sent it ended or took too long"))


def _deliver(mail: OutboxMail) -> bool:
    """Send a claimed mail and note the outcome; False when the server, not this mail, seems to be at fault."""
    try:
        _send(mail)
    except _Failed as error:
        log.warning("mail %s was not sent, attempt %d: stage %s: %s", mail.pk, mail.attempts, error.stage, error.reply)
        _note(mail, error)
        return error.final
    _note(mail, None)
    return True


def _send(mail: OutboxMail) -> None:
    setting = MailSetting.objects.get(cluster=mail.cluster_id)
    if not ready(setting):
        raise _Failed(DISABLED, "mail was switched off meanwhile")
    try:
        server, text = server_of(setting), mail.body.reveal()
    except SecretUnreadable as error:
        raise _Failed("secret", str(error)) from None
    try:
        message = build_message(
            sender_mail=setting.sender_mail,
            sender_name=setting.sender_name,
            receiver=mail.receiver,
            subject=mail.subject,
            text=text,
            message_id=mail.message_id,
        )
    except Exception as error:  # the email package refuses headers with errors of many kinds
        raise _Failed("message", f"it can't be written: {type(error).__name__}", final=True) from None
    try:
        send(server, message, setting.sender_mail, [mail.receiver])
    except SysmgrError as error:
        stage, reply = str(error.params["stage"]), str(error.params.get("reply") or "no answer in time")
        final = stage in _FINAL_STAGES and re.match(r"5\d\d\b", reply) is not None
        raise _Failed(stage, reply, final=final) from None


def server_of(row: MailSetting) -> SmtpServer:
    """Return the server that a mail section names."""
    return SmtpServer(
        host=row.smtp_server_ip,
        port=row.smtp_server_port,
        tls=row.smtp_tls_enabled,
        account=row.smtp_account,
        password=row.smtp_password.reveal(),
        ca_file=env.SMTP_CA_FILE,
    )


def _note(mail: OutboxMail, error: _Failed | None) -> None:
    """Note what became of a claimed mail, unless the claim ended and somebody else has it by now."""
    now = database_now()
    told: dict[str, object] = {"claim": None, "claim_end": None}
    if error is None:
        told |= {"state": State.SENT, "end_time": now, "last_stage": "", "last_reply": ""}
    elif error.final or mail.attempts >= TRIES:
        told |= {"state": State.FAILED, "end_time": now}
    else:
        told |= {"state": State.WAITING, "next_time": now + WAITS[mail.attempts - 1]}
    if error is not None:
        told |= {"last_stage": error.stage, "last_reply": error.reply[:255]}
    OutboxMail.objects.filter(pk=mail.pk, state=State.SENDING, claim=mail.claim).update(**told)


def _show_failures() -> None:
    """Keep one alert open for each cluster that has mail which was given up."""
    failed = OutboxMail.objects.filter(state=State.FAILED).exclude(last_stage=DISABLED)
    clusters = Cluster.objects.filter(pk__in=failed.values("cluster"))
    reconcile(
        _ALERT,
        {
            f"{_ALERT}{cluster.pk}": Trouble(
                f"Mail of {cluster} could not be sent for good. mail/outbox/list says why; after it is mended call "
                "mail/outbox/retry, or mail/outbox/remove for what nobody needs.",
                f"{cluster} 的邮件最终发送失败。原因见 mail/outbox/list；修复后请调用 mail/outbox/retry，"
                "不再需要的请用 mail/outbox/remove 删除。",
                cluster_uuid=cluster.pk,
            )
            for cluster in clusters
        },
    )
