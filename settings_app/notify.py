"""Tells administrators by mail how upgrades end, and auditors where the audit stands: once for each event.

It reads the stream and writes the outbox.

How far the stream was read is noted in the transaction that writes the mails, so a crash neither loses nor
doubles one. Events from before the first start of a version that mails count as read (events' migration).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from cluster.models import Cluster
from sysmgr import env
from sysmgr.accounts.models import Role, User
from sysmgr.events.models import Cursor, Event
from sysmgr.events.services import held_cursor, number

from .mail.outbox import queue
from .mail.sender import ready
from .models import MailSetting, OutboxMail

log = logging.getLogger("sysmgr.mail")
_BATCH = 200
MOST_WAITING = 1000  # while mail stays off, no more than this piles up for a cluster


@dataclass(frozen=True)
class _Text:
    what: str
    what_cn: str
    next_step: str
    next_step_cn: str


_TEXTS = {
    "upgrade.succeeded": _Text("has succeeded", "已成功", "Nothing is left to do.", "无需其他操作。"),
    "upgrade.failed": _Text(
        "has failed",
        "失败",
        "Each item says why it failed and what to do. When that is mended, call POST /v1/system/upgrade/retry, "
        "or ask for a new upgrade.",
        "每一项都说明了失败原因和处理方法。修复后请调用 POST /v1/system/upgrade/retry，或重新发起升级。",
    ),
    "upgrade.paused": _Text(
        "is paused and waits for you",
        "已暂停，等待处理",
        "POST /v1/system/upgrade/resume goes on; POST /v1/system/upgrade/cancel ends it and leaves finished hosts "
        "on the new release.",
        "调用 POST /v1/system/upgrade/resume 继续；调用 POST /v1/system/upgrade/cancel 结束，已完成的主机保留新版本。",
    ),
    "upgrade.cancelled": _Text(
        "was cancelled",
        "已取消",
        "Hosts that were finished keep the new release; POST /v1/system/upgrade/rollback takes it back.",
        "已完成的主机保留新版本；如需退回，请调用 POST /v1/system/upgrade/rollback。",
    ),
}
KINDS = tuple(_TEXTS)
HEAD = "audit.head"  # sysmgr.audit.anchors
# What the run was for, as its event says; settings and upgrades do not know each other.
_RUNS = {"backup": ("backup", "备份"), "restore": ("restore", "恢复"), "rollback": ("rollback", "回退")}


def notify() -> None:
    """Write mail for the events since the last time."""
    number()
    while _unread(Cursor.objects.filter(name=Cursor.NOTIFY).first() or Cursor()).exists():
        _notify_batch()


def _unread(cursor: Cursor) -> QuerySet[Event]:
    return Event.objects.filter(number__gt=cursor.number).order_by("number")


@transaction.atomic
def _notify_batch() -> None:
    cursor = held_cursor(Cursor.NOTIFY)
    for event in _unread(cursor)[:_BATCH]:
        if event.kind in KINDS:
            _write(event)
        elif event.kind == HEAD:
            _write_head(event)
        cursor.number = event.number or cursor.number
    cursor.save(update_fields=["number"])


def _write(event: Event) -> None:
    cluster = Cluster.objects.filter(pk=event.cluster_uuid).first() if event.cluster_uuid else None
    if cluster is None:
        return
    if OutboxMail.objects.filter(cluster=cluster, state=OutboxMail.State.WAITING).count() >= MOST_WAITING:
        log.warning("no mail about %s of %s: %d mails wait already", event.kind, event.subject, MOST_WAITING)
        return
    receivers = User.objects.filter(role=Role.ADMINISTRATOR, is_active=True).exclude(email="").order_by("user_name")
    queue(cluster, receivers.values_list("email", flat=True), _subject(event, cluster), _body(event, cluster))


def _write_head(event: Event) -> None:
    """Mail the audit's head to the auditors, or to the administrators where there is no auditor with an address."""
    cluster = Cluster.objects.filter(default=True).first()
    setting = MailSetting.objects.filter(cluster=cluster).first() if cluster else None
    if cluster is None or setting is None or not ready(setting):
        return  # the file has it; a mail a day must not pile up
    with_address = User.objects.filter(is_active=True).exclude(email="").order_by("user_name")
    receivers = with_address.filter(role=Role.AUDITOR)
    if not receivers.exists():
        receivers = with_address.filter(role=Role.ADMINISTRATOR)
    body = (
        f"{event.message}\nKeep this mail: when the digest of that row is another one some day, or the row is gone, "
        f"the audit was tampered with; `manage.py audit_verify` shows the head.\n\n"
        f"{event.message_cn}\n请保留此邮件：若日后该行摘要不一致或该行缺失，则审计已被篡改；"
        f"`manage.py audit_verify` 会显示审计头。\n"
    )
    subject = f"sysmgr {cluster}: audit head {event.data['seq']} / 审计头 {event.data['seq']}"
    queue(cluster, receivers.values_list("email", flat=True), subject, body)


def _subject(event: Event, cluster: Cluster) -> str:
    text, (run, run_cn) = _TEXTS[event.kind], _run(event)
    return f"sysmgr {cluster}: {run} {text.what} / {run_cn}{text.what_cn}"


def _run(event: Event) -> tuple[str, str]:
    return _RUNS.get(event.data.get("run_kind", ""), ("upgrade", "升级"))


def _body(event: Event, cluster: Cluster) -> str:
    text, (run, run_cn) = _TEXTS[event.kind], _run(event)
    when = f"{event.time:%Y-%m-%d %H:%M:%S} UTC"
    look = f"GET {env.PUBLIC_URL}/v1/system/upgrade/inspect?cluster_uuid={cluster.pk}&upgrade_uuid={event.subject}"
    page = f"{env.PUBLIC_URL}/admin/upgrades/upgraderun/{event.subject}/change/"
    return (
        f"The {run} run {event.subject} of {cluster} {text.what} ({when}).\n"
        f"{event.message}\n\n{text.next_step}\n\n"
        f"{cluster} 的{run_cn}任务 {event.subject} {text.what_cn}（{when}）。\n"
        f"{event.message_cn}\n\n{text.next_step_cn}\n\n"
        f"{page}\n{look}\n"
    )
