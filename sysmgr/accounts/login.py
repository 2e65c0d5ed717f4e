"""The one log-in behind both doors: guard, password, second factor, then a token. Every step leaves its trace."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone

from settings_app.policy import current_policy
from sysmgr.audit.refusals import refuse
from sysmgr.audit.services import Actor, record
from sysmgr.errors import LoginRefused

from . import factor, guard, hashing, password_state, tokens
from .models import Token, User
from .password_state import Notice


@dataclass(frozen=True)
class Attempt:
    """What somebody says at a door (`api` or `admin`)."""

    user_name: str
    password: str = field(repr=False)
    door: str
    source: str
    request_id: str = ""
    otp: str = field(default="", repr=False)


@dataclass(frozen=True)
class Entered:
    """Who came in: the token's clear text (kept nowhere), its row, and what the user is told."""

    clear: str = field(repr=False)
    token: Token
    user: User
    must_change_password: bool
    notices: list[Notice]


def log_in(attempt: Attempt) -> Entered:
    """Let somebody in, or raise LoginLocked, HashQueueFull, OtpRequired, SecondFactorMissing or LoginRefused."""
    policy, now = current_policy(), timezone.now()
    with hashing.place():
        guard.claim(attempt.user_name, attempt.source, policy.login, now)
        try:
            user = _identify(attempt)
            factor.check(user, attempt.otp, policy)
        except LoginRefused:
            refuse(_actor(attempt), "login", f"user {attempt.user_name}")
            raise
    password_state.note_weak(user, attempt.password, policy.password)
    with transaction.atomic():
        guard.clear(attempt.user_name, attempt.source)
        clear, token = tokens.issue(user, attempt.source, policy.login.token_expire_second, door=attempt.door)
        User.objects.filter(pk=user.pk).update(last_login=now)
        record(_actor(attempt), "login", f"user {user.user_name}")
    return Entered(
        clear,
        token,
        user,
        password_state.must_change(user, policy.password, now),
        password_state.notices(user, policy.password, now),
    )


def _identify(attempt: Attempt) -> User:
    """Return the user of the name and the password. An unknown name costs the same hash."""
    user = User.objects.filter(user_name=attempt.user_name).first()
    right = hashing.matches(attempt.password, user.password if user else "")
    if user is None or not right or not user.is_active:
        raise LoginRefused
    return user


def _actor(attempt: Attempt) -> Actor:
    return Actor(attempt.user_name, attempt.door, attempt.source, attempt.request_id)
