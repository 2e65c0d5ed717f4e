"""Refusals: the first at once, a flood as one row a minute, and the count exact whatever happens at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from sysmgr.audit import chain
from sysmgr.audit.models import AuditRow, AuditTally
from sysmgr.audit.refusals import flush, refuse
from sysmgr.audit.services import Actor
from tests.together import at_once

ANNA = Actor("anna", "api", "192.0.2.7")


def told() -> list[int]:
    """Return how many refusals each row tells of, oldest first."""
    rows = AuditRow.objects.filter(result="refused").order_by("seq")
    return [row.changes[0]["to"] if row.changes else 1 for row in rows]


def minute_passes() -> None:
    AuditTally.objects.update(row_time=F("row_time") - timedelta(seconds=61))


def test_a_flood_is_one_row_a_minute_and_nothing_is_lost(db: None) -> None:
    for _ in range(10):
        refuse(ANNA, "login", "user anna")
    assert told() == [1]
    flush()
    assert told() == [1]  # its minute is not over
    minute_passes()
    flush()
    assert told() == [1, 9]
    flush()
    assert told() == [1, 9]
    refuse(ANNA, "login", "user anna")
    minute_passes()
    refuse(ANNA, "login", "user anna")
    assert sum(told()) == 12 and chain.verify().intact


def test_kinds_are_told_apart(db: None) -> None:
    for actor in (ANNA, Actor("bert", "api", "192.0.2.7"), Actor("anna", "admin", "192.0.2.7"), Actor("anna", "api")):
        refuse(actor, "login", "user x")
    refuse(ANNA, "call", "user x")
    refuse(ANNA, "login", "user y")
    assert told() == [1] * 6


def test_a_refusal_in_a_flood_costs_one_query(db: None) -> None:
    refuse(ANNA, "login", "user anna")
    with CaptureQueriesContext(connection) as queries:
        refuse(ANNA, "login", "user anna")
    assert len(queries) == 1


def test_what_nobody_tries_any_more_is_forgotten(db: None) -> None:
    refuse(ANNA, "login", "user anna")
    AuditTally.objects.update(row_time=F("row_time") - timedelta(hours=2))
    flush()
    assert not AuditTally.objects.exists()


def test_hostile_names_hurt_nobody(db: None) -> None:
    refuse(Actor("a\0\ud800", "api", "s" * 300), "login", "user \0" + "x" * 600)
    assert told() == [1]


@pytest.mark.django_db(transaction=True)
def test_refusals_at_once_are_all_counted() -> None:
    at_once([lambda: refuse(ANNA, "login", "user anna")] * 16)
    minute_passes()
    at_once([flush, flush, lambda: refuse(ANNA, "login", "user anna"), lambda: refuse(ANNA, "login", "user anna")])
    minute_passes()
    flush()
    assert sum(told()) == 18 and chain.verify().intact
