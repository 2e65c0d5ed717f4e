"""The one log-in behind both doors: guard, password, second factor, then a token. Every step leaves its trace."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from django.db import transaction
from django.utils import timezone

from settings_app.policy import Policy, current_policy
from sysmgr import env
from sysmgr.audit.refusals import refuse
from sysmgr.audit.services import Actor, record
from sysmgr.errors import LoginRefused, SysmgrError

from . import factor, guard, hashing, password_state, tokens
from .login_errors import HashQueueFull
from .models import Token, User
from .password_state import Notice

_noted = -1.0


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
    must_change_password: bool  # all that the token can do is to change it
    notices: list[Notice]


def log_in(attempt: Attempt) -> Entered:
    """Let somebody in, or raise LoginLocked, HashQueueFull, OtpRequired, SecondFactorMissing or LoginRefused."""
    actor, began = _actor(attempt), timezone.now()
    try:
        with hashing.place():
            policy = current_policy()
            with guard.attempt(actor, policy.login):
                user, legacy = _identify(attempt)
                factor.check(user, attempt.otp, policy, actor)
                _renew(user, attempt.password, legacy)
    except HashQueueFull:
        note_full_queue(actor)
        raise
    except SysmgrError as error:
        refuse(actor, "login", f"user {attempt.user_name}: {error.name()}")
        raise
    if not legacy:
        password_state.note_weak(user, attempt.password, policy.password)
    now = timezone.now()
    try:
        clear, token = _issue(user, attempt, policy, actor, legacy=legacy)
    except LoginRefused as error:
        refuse(actor, "login", f"user {attempt.user_name}: {error.name()}")
        raise
    must_change = password_state.must_change(user, policy.password, now)
    notices = [*password_state.notices(user, policy.password, now), *factor.notices(user, policy, began)]
    return Entered(clear, token, user, must_change, notices)


@transaction.atomic
def _issue(user: User, attempt: Attempt, policy: Policy, actor: Actor, *, legacy: bool) -> tuple[str, Token]:
    # Whose password was set anew or who was switched off meanwhile: his tokens have ended, and this is none more.
    unchanged = User.objects.filter(pk=user.pk, password_change_time=user.password_change_time, is_active=True)
    if not unchanged.update(last_login=timezone.now()):
        raise LoginRefused
    seconds = policy.login.token_expire_second
    made = tokens.issue(user, attempt.source, seconds, door=attempt.door, legacy=legacy)
    record(actor, "login", f"user {user.user_name}")
    return made


def note_full_queue(actor: Actor) -> None:
    """Leave a trace of the flood, not of each of its drops: no password was looked at, whoever was named."""
    global _noted
    if time.monotonic() - _noted > 1:
        _noted = time.monotonic()
        refuse(replace(actor, user_name=""), "login.queue", "log-in")


def _identify(attempt: Attempt) -> tuple[User, bool]:
    """Return the user of the name and the password, and whether an old client sent the password's MD5.

    The number of hashes depends on what was sent only, never on whether there is such a user (contract §3).
    """
    user = User.objects.filter(user_name=attempt.user_name).first()
    right = hashing.matches(attempt.password, user.password if user else "")
    legacy = False
    # Only programs send it: at the admin somebody would type it who found it, and not the password.
    if env.LEGACY_LOGIN and attempt.door == Token.Door.API and hashing.is_md5(attempt.password):
        legacy = hashing.matches(attempt.password, user.legacy_password if user else "") and not right
    if user is None or not (right or legacy) or not user.is_active:
        raise LoginRefused
    return user, legacy


def _renew(user: User, password: str, legacy: bool) -> None:
    """Store what only a plain log-in makes possible: a hash of today's strength, and the one for old clients."""
    if legacy:
        return
    stored = User.objects.filter(pk=user.pk, password=user.password)  # unless it was changed meanwhile
    if hashing.is_outdated(user.password):
        renewed = hashing.of(password)
        if stored.update(password=renewed):
            user.password = renewed
            stored = User.objects.filter(pk=user.pk, password=renewed)
    if env.LEGACY_LOGIN and not user.legacy_password:
        stored.update(legacy_password=hashing.of_md5(password))


def _actor(attempt: Attempt) -> Actor:
    return Actor(attempt.user_name, attempt.door, attempt.source, attempt.request_id)
