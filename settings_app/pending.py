"""Commit-confirm: a change that is taken back by itself at its deadline, unless somebody confirms it before."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from cluster.clock import database_now
from cluster.models import Cluster
from cluster.services import locked
from sysmgr.audit.services import SYSTEM, Actor, record
from sysmgr.crypto import SecretUnreadable
from sysmgr.events.alerts import Trouble, clear_alert, raise_alert
from sysmgr.events.models import Alert, Event
from sysmgr.events.services import emit

from . import lockout
from .changes import put_back
from .errors import ConfirmedTooLate, NothingPending, RevisionConflict, SettingPending
from .models import PendingChange, SettingRevision
from .policy import read_policy
from .revising import Kind, Note, newest, revise
from .selectors import render_settings

logger = logging.getLogger(__name__)
ALERTS = "setting.revert."
_PAUSE = 5.0  # seconds before this process tries again what it could not take back
_failed: dict[UUID, float] = {}


def begin(cluster: Cluster, actor: Actor, revision: int, before: str, seconds: int) -> None:
    """Put revision `revision` on probation; `before` comes from `remembered`, taken before the change."""
    deadline = database_now() + timedelta(seconds=seconds)
    PendingChange.objects.create(
        cluster=cluster, revision=revision, deadline=deadline, author=actor.user_name[:64], before=before
    )


def remembered(cluster: Cluster) -> str:
    """Return the cluster's settings as JSON, with their secrets: what takes a change back. Queries: two.

    A secret whose key is lost stays behind its mask, which keeps it where it is.
    """
    return json.dumps(render_settings(cluster.pk, clear=True))


def pending_facts(cluster_uuid: UUID) -> dict[str, int] | None:
    """Return what waits for its confirmation as `setting/pending` shows it, None for nothing. Queries: one."""
    row = PendingChange.objects.filter(cluster=cluster_uuid, deadline__gt=Now()).defer("before").first()
    return {"revision": row.revision, "deadline": int(row.deadline.timestamp())} if row else None


def refuse_while_pending(cluster: Cluster) -> None:
    """Raise SettingPending, naming the deadline; call it under the cluster's lock before any write of its settings."""
    row = PendingChange.objects.filter(cluster=cluster).defer("before").first()
    if row is not None:
        told = row.deadline.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        raise SettingPending(revision=row.revision, deadline=told, epoch=int(row.deadline.timestamp()))


def confirm(cluster: Cluster, actor: Actor, *, if_revision: int | None = None) -> int:
    """Let the change stand and return its revision. Raises NothingPending, ConfirmedTooLate or RevisionConflict."""
    take_back_due()
    with transaction.atomic():
        cluster = locked(cluster.pk)
        last = newest(cluster).number
        if if_revision is not None and if_revision != last:
            raise RevisionConflict("if_revision", current=last, expected=if_revision)
        moved, _ = PendingChange.objects.filter(cluster=cluster, deadline__gt=Now()).delete()
        if not moved:
            _refuse_late(cluster)
        clear_alert(f"{ALERTS}{cluster.pk}")
        emit(
            "setting.confirmed",
            cluster.pk,
            f"{actor.user_name} confirmed revision {last} of the settings of {cluster}",
            f"{actor.user_name} 确认了 {cluster} 的设置修订 {last}",
            cluster_uuid=cluster.pk,
            revision=last,
        )
        record(actor, "setting.confirm", f"cluster {cluster.pk} revision {last}")
        return last


def _refuse_late(cluster: Cluster) -> None:
    """Raise ConfirmedTooLate where the newest change was taken back or is about to be, else NothingPending."""
    waiting = PendingChange.objects.filter(cluster=cluster).values_list("revision", flat=True).first()
    rows = SettingRevision.objects.filter(cluster=cluster).order_by("-number").values_list("kind", "number")
    kind, number = rows.first() or ("", 0)
    if waiting is None and kind != Kind.REVERT:
        raise NothingPending
    raise ConfirmedTooLate(revision=waiting or number - 1)


def take_back_due(now: datetime | None = None) -> int:
    """Take back every change whose deadline has passed, by the database's clock; return how many.

    Whoever comes first does it: the gate before a request, the leader's job, any write of settings. Nothing refuses
    it. Queries while nothing is due: one.
    """
    due = PendingChange.objects.filter(deadline__lte=now or Now())
    count = 0
    for cluster_uuid in list(due.order_by("deadline").values_list("pk", flat=True)):
        if time.monotonic() < _failed.get(cluster_uuid, 0):
            continue
        try:
            count += _take_back(cluster_uuid, due)
            _failed.pop(cluster_uuid, None)
        except Exception:
            # Whoever asks for something else must get it all the same; the alert says what stands still.
            logger.exception("the settings of cluster %s can't be taken back", cluster_uuid)
            _failed[cluster_uuid] = time.monotonic() + _PAUSE
            raise_alert(f"{ALERTS}{cluster_uuid}", _failure(cluster_uuid))
    return count


@transaction.atomic
def _take_back(cluster_uuid: UUID, due: QuerySet[PendingChange]) -> bool:
    """Take one change back; False when somebody else did, or confirmed it meanwhile."""
    cluster = Cluster.objects.select_for_update(no_key=True).filter(pk=cluster_uuid).first()
    row = due.filter(pk=cluster_uuid).first() if cluster else None
    if cluster is None or row is None:
        return False
    moved, _ = due.filter(pk=cluster_uuid, revision=row.revision).delete()
    if not moved:
        return False
    document, lost = _document(row)
    before = read_policy(cluster.pk) if cluster.default else None
    diff, refused = put_back(cluster, document)
    lockout.apply(lockout.policy_change(cluster, before, diff, SYSTEM))
    raise_alert(f"{ALERTS}{cluster.pk}", _taken_back(cluster, row, refused, lost))
    note = Note(f"revision {row.revision} was not confirmed in time", Kind.REVERT, row.revision - 1)
    revise(cluster, SYSTEM, diff, note, newest(cluster))
    return True


def _document(row: PendingChange) -> tuple[Mapping[str, Any], bool]:
    """Return what was stored before, and whether its secrets are lost with their key.

    Then it is the revision before the change, whose masks keep the secrets of now.
    """
    try:
        found: dict[str, Any] = json.loads(row.before.reveal())
        return found, False
    except SecretUnreadable:
        rows = SettingRevision.objects.filter(cluster=row.cluster_id, number=row.revision - 1)
        return rows.values_list("snapshot", flat=True)[0], True


def _taken_back(cluster: Cluster, row: PendingChange, refused: Sequence[str], lost: bool) -> Trouble:
    """Return what the alert says once a change was taken back, as far as it went."""
    english = f"Revision {row.revision} of the settings of {cluster} by {row.author} was taken back: not confirmed."
    chinese = f"{row.author} 对 {cluster} 设置的修订 {row.revision} 未被确认，已撤回。"
    if lost:
        english += " Secrets stay as the change left them: those before it can't be read, their key is gone."
        chinese += "密文保持更改后的值：更改前的密文因密钥缺失而无法读取。"
    if refused:
        names = ", ".join(refused)
        english += f" The database refused the former values of {names}: set them right by hand."
        chinese += f"数据库拒绝了 {names} 的原值：请手动更正。"
    severity = Event.Severity.ERROR if lost or refused else Event.Severity.WARNING
    return Trouble(english, chinese, severity, cluster.pk)


def _failure(cluster_uuid: UUID) -> Trouble:
    english = "A change of settings that nobody confirmed can't be taken back; the server's log says why."
    chinese = "未确认的设置更改无法撤回，原因见服务器日志。"
    return Trouble(english, chinese, Event.Severity.ERROR, cluster_uuid)


def close_seen() -> None:
    """Close the alerts of changes taken back that somebody looked at; a later change closes them too."""
    seen = Alert.objects.filter(key__startswith=ALERTS, close_time=None, acknowledge_time__isnull=False)
    for key in list(seen.values_list("key", flat=True)):
        clear_alert(key)
