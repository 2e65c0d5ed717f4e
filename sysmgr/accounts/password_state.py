"""The state of a password at this moment: whether it must be changed, and what its owner is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from settings_app.models import PasswordComplexityPolicy

from .models import User


@dataclass(frozen=True)
class Notice:
    """Something to tell a user after the log-in."""

    message: str
    message_cn: str


def must_change(user: User, policy: PasswordComplexityPolicy, now: datetime) -> bool:
    """Tell whether all that the user may do is to change the password. No query: the gate asks at each request."""
    return user.must_change_password


def notices(user: User, policy: PasswordComplexityPolicy, now: datetime) -> list[Notice]:
    """Return what the user is told after a log-in."""
    return []


def note_weak(user: User, clear: str, policy: PasswordComplexityPolicy) -> None:
    """Have a password that today's rules would refuse changed: seen at a log-in, where it is at hand in clear."""
