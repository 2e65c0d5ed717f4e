"""Refusals in the audit: the first of a kind at once, a flood of the same as one row a minute."""

from __future__ import annotations

from .services import Actor, record


def refuse(actor: Actor, action: str, obj: str) -> None:
    """Note that `actor` was refused `action` on `obj`; safe to call as often as somebody likes to try.

    One kind is (user name, door, source, action, object). Call it outside of a transaction that is rolled back.
    """
    record(actor, action, obj, result="refused")
