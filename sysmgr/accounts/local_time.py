"""Times as people read them: in the zone of SYSMGR_TIME_ZONE."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from sysmgr import env


def in_zone(moment: datetime) -> str:
    """Return a moment with its zone."""
    return f"{moment.astimezone(ZoneInfo(env.TIME_ZONE)):%Y-%m-%d %H:%M} {env.TIME_ZONE}"


def day_of(moment: datetime) -> date:
    """Return the day that it is then."""
    return moment.astimezone(ZoneInfo(env.TIME_ZONE)).date()
