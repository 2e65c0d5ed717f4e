"""Nobody locks himself out: a change of what the doors obey is put to those who enforce it, before it is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cluster.models import Cluster
from sysmgr.audit.services import Actor

from . import hooks
from .errors import NobodyCouldEnter, WouldLockOut
from .hooks import PolicyChange, Refusal
from .policy import SAFE, Policy, read_policy

POLICY_SECTIONS = frozenset(
    ("login_policy", "password_complexity_policy", "multi_authentication_setting", "access_control_policy")
)
# Whoever sits at these can't shut himself out of them.
_ALWAYS_OPEN = frozenset(("command", "system"))


def policy_before(cluster: Cluster, changes: Mapping[str, Any]) -> Policy | None:
    """Return what the doors obey, when they obey this cluster and `changes` touch it; else None. Queries: one."""
    return read_policy(cluster.pk) if cluster.default and POLICY_SECTIONS & changes.keys() else None


def policy_change(
    cluster: Cluster, before: Policy | None, diff: Iterable[Mapping[str, Any]], actor: Actor
) -> PolicyChange | None:
    """Return what the stored `diff` means to the doors, None where it means nothing to them. Queries: one."""
    touched = {entry["path"].partition(".")[0] for entry in diff}
    if before is None or not touched & POLICY_SECTIONS:
        return None
    return PolicyChange(before, read_policy(cluster.pk), actor)


def policy_change_of_default(former: Cluster | None, cluster: Cluster, actor: Actor) -> PolicyChange:
    """Return what it means to the doors to obey `cluster` instead of `former`. Queries: two."""
    before = read_policy(former.pk) if former else SAFE
    return PolicyChange(before, read_policy(cluster.pk), actor)


def weigh(change: PolicyChange | None) -> list[Refusal]:
    """Return whom the change would shut out, as the registered checks say."""
    return [refusal for check in hooks.refusals for refusal in check(change)] if change else []


def stops(refusal: Refusal, actor: Actor, confirmed: bool) -> bool:
    """Whether a refusal stops the change: hard ones always do, others where their author may be shut out unasked."""
    return refusal.hard or not (confirmed or actor.door in _ALWAYS_OPEN)


def settle(change: PolicyChange | None, confirmed: bool) -> None:
    """Raise WouldLockOut or NobodyCouldEnter, or do what must become true with the change."""
    if change is None:
        return
    stopping = [refusal for refusal in weigh(change) if stops(refusal, change.actor, confirmed)]
    hard = [refusal.problem for refusal in stopping if refusal.hard]
    if hard:
        raise NobodyCouldEnter(hard)
    if stopping:
        raise WouldLockOut(refusal.problem for refusal in stopping)
    apply(change)


def apply(change: PolicyChange | None) -> None:
    """Do what must become true with the change."""
    if change is not None:
        for act in hooks.applied:
            act(change)
