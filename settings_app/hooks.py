"""What a change of the policy means to others: they add their checks in `AppConfig.ready`, services and preview ask.

`settings_app` knows neither log-in nor gate; who enforces a setting also says here whom a change of it would refuse,
and what it would do. All callbacks run inside the transaction of the change (preview's is rolled back).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sysmgr.audit.services import Actor
from sysmgr.errors import Problem

from .policy import Policy


@dataclass(frozen=True)
class PolicyChange:
    """The doors are about to obey `after` instead of `before`, because `actor` says so."""

    before: Policy
    after: Policy
    actor: Actor


@dataclass(frozen=True)
class Refusal:
    """Somebody whom the change would shut out: `problem` has path and texts.

    `hard` ones stop everybody, commands included, and can't be confirmed away; the others stop whoever has not
    confirmed, but never a command. What is taken back at its deadline asks nobody.
    """

    problem: Problem
    hard: bool = False


@dataclass(frozen=True)
class Effect:
    """What a change does, in words: whom it touches, and from when on."""

    message: str
    message_cn: str


refusals: list[Callable[[PolicyChange], Iterable[Refusal]]] = []
"""Say whether the change would refuse its author's address, time, token or second factor."""

effects: list[Callable[[PolicyChange], Iterable[Effect]]] = []
"""Say what the change will do."""

applied: list[Callable[[PolicyChange], object]] = []
"""Do what must become true with the change, in its transaction."""
