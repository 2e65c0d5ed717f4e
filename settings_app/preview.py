"""What a change would do, tried out and rolled back: the very code that makes it, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db import transaction

from cluster.models import Cluster
from cluster.services import locked
from sysmgr.audit.services import Actor
from sysmgr.errors import Problem

from . import hooks, lockout, pending
from .changes import Diff, change_sections
from .errors import RevisionConflict, SettingPending
from .explain import APPLIES_TEXTS, applies_of
from .hooks import Effect, PolicyChange, Refusal
from .revising import newest


def preview(
    cluster: Cluster, changes: Mapping[str, Mapping[str, Any]], actor: Actor, *, if_revision: int | None = None
) -> dict[str, Any]:
    """Return {changes[{path, from, to}], effects[{message, message_cn}], refusals[{path, message, message_cn,
    confirmable}]} of what `update_settings` would do; nothing is stored, no number is used up.

    Raises InvalidInput, PasswordNeeded and RevisionConflict as the change itself would.
    """
    pending.take_back_due()
    with transaction.atomic():
        cluster = locked(cluster.pk)
        found = _tried(cluster, changes, actor, if_revision)
        transaction.set_rollback(True)
    return found


def _tried(
    cluster: Cluster, changes: Mapping[str, Mapping[str, Any]], actor: Actor, if_revision: int | None
) -> dict[str, Any]:
    """Make the change in the caller's transaction, and tell what it does."""
    refusals = _waiting(cluster)
    last = newest(cluster)
    if if_revision is not None and if_revision != last.number:
        raise RevisionConflict("if_revision", current=last.number, expected=if_revision)
    policy = lockout.policy_before(cluster, changes)
    diff = change_sections(cluster, changes)
    change = lockout.policy_change(cluster, policy, diff, actor)
    refusals += [_refusal(one) for one in lockout.weigh(change) if lockout.stops(one, actor, confirmed=False)]
    told = [{"message": one.message, "message_cn": one.message_cn} for one in _effects(cluster, diff, change)]
    return {"changes": diff, "effects": told, "refusals": refusals}


def _waiting(cluster: Cluster) -> list[dict[str, Any]]:
    """Return the refusal of any change while another one waits for its confirmation."""
    try:
        pending.refuse_while_pending(cluster)
    except SettingPending as error:
        return [_refusal(Refusal(Problem("", error.text, error.text_cn), hard=True))]
    return []


def _refusal(one: Refusal) -> dict[str, Any]:
    problem = one.problem
    return {
        "path": problem.path,
        "message": problem.message,
        "message_cn": problem.message_cn,
        "confirmable": not one.hard,
    }


def _effects(cluster: Cluster, diff: Diff, change: PolicyChange | None) -> Iterator[Effect]:
    """Yield from when on each path applies, grouped, and what those say who enforce it."""
    groups: dict[str, list[str]] = {}
    for entry in diff:
        groups.setdefault(applies_of(entry["path"], default=cluster.default), []).append(entry["path"])
    for applies, paths in groups.items():
        english, chinese = APPLIES_TEXTS[applies]
        named = ", ".join(dict.fromkeys(path.partition("[")[0] for path in paths))
        yield Effect(f"{named}: {english}", f"{named}：{chinese}")
    if change is not None:
        for effects in hooks.effects:
            yield from effects(change)
