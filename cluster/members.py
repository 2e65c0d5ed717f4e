"""Who is alive and who leads: the reads."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Value

from sysmgr import env

from .clock import database_now
from .models import LeaderLease, Member


def alive_after() -> timedelta:
    """How long after its last heartbeat a member still counts as alive."""
    return timedelta(seconds=env.LEASE_TTL_SECONDS)


def member_list() -> dict[str, Any]:
    """Return leader, candidates and readiness in one query (and one for the time on PostgreSQL)."""
    now = database_now()
    lease = LeaderLease.objects.filter(pk=1, expires_at__gt=now)
    alive = Member.objects.filter(heartbeat__gt=now - alive_after())
    rows = list(
        lease.values_list("address", Value("leader")).union(alive.values_list("address", Value("member")), all=True)
    )
    return _shape(
        [address for address, kind in rows if kind == "leader"],
        sorted({address for address, kind in rows if kind == "member"}),
    )


def _shape(leaders: list[str], candidates: list[str]) -> dict[str, Any]:
    leader = leaders[0] if leaders else ""
    if leader and leader not in candidates:
        candidates = sorted([*candidates, leader])
    return {"leader": leader, "candidates": candidates, "ready": bool(leader), "alias_source": ""}


def leader_known() -> bool:
    """Whether somebody leads at this moment."""
    return LeaderLease.objects.filter(pk=1, expires_at__gt=database_now()).exists()
