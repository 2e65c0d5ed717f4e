"""The state of a password at this moment: whether it must be changed, and what its owner is told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from settings_app.models import PasswordComplexityPolicy
from sysmgr.audit.services import SYSTEM, record

from . import password_rules
from .models import User


@dataclass(frozen=True)
class Notice:
    """Something to tell a user after the log-in."""

    message: str
    message_cn: str


_MUST = Notice(
    "Your password must be changed before you can go on: it was set by somebody else, or today's rules refuse it.",
    "必须先修改密码才能继续：该密码由他人设置，或不符合当前的密码规则。",
)


def expiry(user: User, policy: PasswordComplexityPolicy) -> datetime | None:
    """Return when the password expires, to the second; None: never."""
    days = policy.password_max_expired_age
    return user.password_change_time + timedelta(days=days) if days else None


def expired(user: User, policy: PasswordComplexityPolicy, now: datetime) -> bool:
    """Tell whether the password's time is over."""
    end = expiry(user, policy)
    return end is not None and end <= now


def days_left(user: User, policy: PasswordComplexityPolicy, now: datetime) -> int | None:
    """Return the days until the password expires, begun ones whole, within the days of warning; else None."""
    end = expiry(user, policy)
    if end is None or not end - timedelta(days=policy.password_expired_warn_age) <= now < end:
        return None
    return math.ceil((end - now) / timedelta(days=1))


def must_change(user: User, policy: PasswordComplexityPolicy, now: datetime) -> bool:
    """Tell whether all that the user may do is to change the password. No query: the gate asks at each request."""
    return user.must_change_password or (policy.password_expire_force_modify and expired(user, policy, now))


def why(user: User, policy: PasswordComplexityPolicy, now: datetime) -> Notice | None:
    """Return why the password must or should be changed; None where nothing is wrong with it."""
    if user.must_change_password:
        return _MUST
    if not expired(user, policy, now):
        return None
    days = policy.password_max_expired_age
    if policy.password_expire_force_modify:
        return Notice(
            f"Your password is older than {days} days and must be changed before you can go on.",
            f"您的密码已超过 {days} 天，必须先修改密码才能继续。",
        )
    return Notice(
        f"Your password is older than {days} days and has expired: please change it.",
        f"您的密码已超过 {days} 天并已过期，请尽快修改。",
    )


def notices(user: User, policy: PasswordComplexityPolicy, now: datetime) -> list[Notice]:
    """Return what the user is told after a log-in."""
    reason = why(user, policy, now)
    if reason is not None:
        return [reason]
    days = days_left(user, policy, now) if policy.password_expired_warn_windows_popup else None
    if days is None:
        return []
    return [
        Notice(
            f"Your password expires within {days} day(s): please change it.",
            f"您的密码将在 {days} 天内过期，请及时修改。",
        )
    ]


@transaction.atomic
def note_weak(user: User, clear: str, policy: PasswordComplexityPolicy) -> None:
    """Have a password that today's rules would refuse changed: seen at a log-in, where it is at hand in clear."""
    if user.must_change_password or not password_rules.weak(clear, policy):
        return
    # Whoever changed it meanwhile has another hash, and need not change it again.
    seen = User.objects.filter(pk=user.pk, password=user.password, must_change_password=False)
    if seen.update(must_change_password=True):
        user.must_change_password = True
        changes = [{"path": "must_change_password", "from": False, "to": True}]
        record(SYSTEM, "password.weak", f"user {user.user_name}", changes=changes)
