"""The one writer of settings: every door changes them through here (design §1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from cluster.models import Cluster
from cluster.services import locked
from sysmgr.audit.services import Actor, record
from sysmgr.events.alerts import clear_alert

from . import lockout, models, pending
from .changes import change_sections, check_mail_password
from .errors import RevisionConflict
from .revising import Kind, Newest, Note, newest, revise
from .sections import SECTIONS, revealed

__all__ = ["DEMO_VALUES", "Order", "check_mail_password", "create_defaults", "note_revealed", "update_settings"]

# What the documents show for endpoint 6, without the mail account.
DEMO_VALUES: dict[str, dict[str, Any]] = {
    "login_policy": {
        "login_fail_retry_times": 1,
        "login_fail_punish_seconds": 1,
        "token_expire_second": 2592000,
    },
    "password_complexity_policy": {"password_minimum_length": 3},
    "front_style_setting": {"login_url": "http://192.168.201.212:8080/#/login"},
}


@dataclass(frozen=True)
class Order:
    """How a change is to be made."""

    if_revision: int | None = None
    note: Note = Note()
    confirm_lockout: bool = False
    confirm_within_seconds: int | None = None


@transaction.atomic
def create_defaults(cluster: Cluster, actor: Actor, *, demo: bool = False) -> models.SettingRevision:
    """Give a new cluster its sections and revision 1: the models' defaults, or the demo's values."""
    for name, model in SECTIONS.items():
        row = model(cluster=cluster, **(DEMO_VALUES.get(name, {}) if demo else {}))
        row.full_clean()
        row.save(force_insert=True)
    return revise(cluster, actor, [], Note("created", Kind.CREATED), Newest())


def update_settings(
    cluster: Cluster,
    changes: Mapping[str, Mapping[str, Any]],
    actor: Actor,
    *,
    if_revision: int | None = None,
    reason: str = "",
    confirm_lockout: bool = False,
    confirm_within_seconds: int | None = None,
) -> models.SettingRevision | None:
    """Store `changes` ({section: {key: value}}) as one revision; None when nothing differs.

    With `confirm_within_seconds` the change is taken back then, unless `pending.confirm` comes before. Raises
    SettingPending while another change waits so, RevisionConflict, PasswordNeeded, InvalidInput, or WouldLockOut and
    NobodyCouldEnter (see `hooks`), and then nothing is stored. Writers without `if_revision` wait for each other at
    the cluster's row and both land.
    """
    pending.take_back_due()  # in a transaction of its own: it stands whatever becomes of this change
    with transaction.atomic():
        order = Order(if_revision, Note(reason), confirm_lockout, confirm_within_seconds)
        return store(locked(cluster.pk), changes, actor, order)


def ready(cluster: Cluster, if_revision: int | None) -> Newest:
    """Return what the next change of a locked cluster is made upon. Raises SettingPending or RevisionConflict."""
    pending.refuse_while_pending(cluster)
    last = newest(cluster)
    if if_revision is not None and if_revision != last.number:
        raise RevisionConflict("if_revision", current=last.number, expected=if_revision)
    return last


def store(
    cluster: Cluster, changes: Mapping[str, Mapping[str, Any]], actor: Actor, order: Order
) -> models.SettingRevision | None:
    """Make the change of a locked cluster as `order` says; the transaction is the caller's."""
    last = ready(cluster, order.if_revision)
    seconds = order.confirm_within_seconds
    before = pending.remembered(cluster) if seconds else ""
    policy = lockout.policy_before(cluster, changes)
    diff = change_sections(cluster, changes)
    if not diff:
        return None
    lockout.settle(lockout.policy_change(cluster, policy, diff, actor), order.confirm_lockout)
    clear_alert(f"{pending.ALERTS}{cluster.pk}")
    told = {}
    if seconds:
        pending.begin(cluster, actor, last.number + 1, before, seconds)
        told = {"confirm_within_seconds": seconds}
    return revise(cluster, actor, diff, order.note, last, **told)


def default_changing(cluster: Cluster, actor: Actor, confirm_lockout: bool) -> None:
    """Refuse that the doors obey another cluster's settings as a change of them would be refused, or apply it.

    The caller holds the locks of both clusters.
    """
    former = Cluster.objects.filter(default=True).exclude(pk=cluster.pk).first()
    for one in (former, cluster):
        if one is not None:
            pending.refuse_while_pending(one)
    lockout.settle(lockout.policy_change_of_default(former, cluster, actor), confirm_lockout)


def note_revealed(cluster_uuid: UUID, sections: Mapping[str, Any], actor: Actor) -> None:
    """Write an audit row that names the secrets which `sections` show in clear; none where they show none."""
    paths = revealed(sections)
    if paths:
        record(actor, "secret.reveal", f"cluster {cluster_uuid}", changes=[{"path": path} for path in paths])
