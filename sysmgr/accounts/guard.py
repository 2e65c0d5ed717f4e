"""The guard: counts wrong log-ins of a (user, source) pair in the database and locks the pair as the policy says."""

from __future__ import annotations

from datetime import datetime

from settings_app.models import LoginPolicy


def claim(user_name: str, source: str, policy: LoginPolicy, now: datetime) -> None:
    """Count one attempt before its password is looked at, or raise LoginLocked; a right log-in calls `clear`."""


def clear(user_name: str, source: str) -> None:
    """Start again: the log-in was right."""


def forgive(user_name: str, source: str) -> None:
    """Take one claim back: the attempt was neither right nor wrong (a missing one-time code, a full queue)."""


def unlock(user_name: str) -> int:
    """Open every lock of a user, from whatever source; return how many pairs were counted."""
    return 0
