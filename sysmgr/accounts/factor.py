"""The second factor: enrolling an authenticator, and taking its codes, each once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from settings_app.policy import Policy, current_policy
from sysmgr.audit.refusals import refuse
from sysmgr.audit.services import Actor, record
from sysmgr.crypto import Secret, SecretUnreadable
from sysmgr.errors import LoginRefused

from . import factor_codes as codes
from . import factor_state as state
from . import guard
from .account_events import announce
from .factor_errors import FactorConfirmed, NoSecondFactor, OtpRefused, OtpRequired, OwnFactor, SecondFactorMissing
from .models import RecoveryCode, SecondFactor, User
from .password_state import Notice

logger = logging.getLogger(__name__)
_FEW = 3


@dataclass(frozen=True)
class Enrolment:
    """What an authenticator must be told; shown once, afterwards nobody can read it."""

    secret: str = field(repr=False)
    otpauth_uri: str = field(repr=False)
    qr_svg: str = field(repr=False)


class _Refused(Exception):
    """The code is not taken; `replayed`: it was right and had been used."""

    def __init__(self, replayed: bool = False) -> None:
        self.replayed = replayed


class _Right(Exception):
    """The code was right; see `_guessing`."""


def check(user: User, otp: str, policy: Policy, actor: Actor, now: datetime | None = None) -> None:
    """Take the one-time or recovery code of a log-in whose password was right.

    Returns where none is needed. Raises OtpRequired (none was given), SecondFactorMissing (the policy asks for one and
    the user has none) or LoginRefused (it is wrong, or was used before).
    """
    if not state.is_asked(policy):
        return
    factor = state.confirmed(user)
    if factor is None:
        raise SecondFactorMissing
    if not otp.strip():
        raise OtpRequired
    try:
        with transaction.atomic():
            _note_recovery(user, actor, _take(factor, otp, now or timezone.now()))
    except _Refused as refused:
        if refused.replayed:
            refuse(actor, "otp.replay", _named(user))
        raise LoginRefused from None


def notices(user: User, policy: Policy, since: datetime) -> list[Notice]:
    """Return what a user is told after a log-in that began at `since`: recovery codes end. Queries: one, or none."""
    if not state.is_asked(policy):
        return []
    used = list(RecoveryCode.objects.filter(user=user).values_list("used_time", flat=True))
    left = used.count(None)
    if any(time is not None and time >= since for time in used):
        english = f"You came in with a recovery code; {left} are left."
        return [Notice(english, f"您使用了恢复码登录；还剩 {left} 个。")]
    if left <= _FEW:
        english = f"You have {left} recovery codes left: remove your second factor and enrol it again to get new ones."
        return [Notice(english, f"您还剩 {left} 个恢复码：请移除第二因素并重新登记，以获得新的恢复码。")]
    return []


@transaction.atomic
def enroll(user: User, actor: Actor, now: datetime | None = None) -> Enrolment:
    """Begin with an authenticator: it guards nothing until it is confirmed. Again replaces what was not confirmed.

    Raises FactorConfirmed.
    """
    secret, now = codes.new_secret(), now or timezone.now()
    begun = {"secret": Secret(clear=secret), "enroll_time": now, "last_step": 0}
    SecondFactor.objects.get_or_create(user=user, defaults=begun)
    if not SecondFactor.objects.filter(user=user, confirmed_time=None).update(**begun):
        raise FactorConfirmed
    record(actor, "otp.enroll", _named(user))
    uri = codes.otpauth_uri(secret, user.user_name)
    return Enrolment(secret, uri, codes.qr_svg(uri))


def confirm(user: User, otp: str, actor: Actor, now: datetime | None = None) -> list[str]:
    """Let the enrolled authenticator guard from now on, and return the recovery codes, which nobody can read later.

    Raises OtpRefused, LoginLocked (too many wrong ones), FactorConfirmed or NoSecondFactor.
    """
    with _guessing(actor, "otp.confirm", user):
        return _confirm(user, otp, actor, now or timezone.now())


def remove(user: User, otp: str, actor: Actor, now: datetime | None = None) -> None:
    """Take a user's own second factor away, by one of its codes or a recovery code.

    Raises OtpRefused, LoginLocked (too many wrong ones), NoSecondFactor or LastWhoPasses.
    """
    with _guessing(actor, "otp.remove", user):
        _remove(user, otp, actor, now or timezone.now())


@transaction.atomic
def reset(user: User, actor: Actor) -> bool:
    """Take somebody's second factor away without a code; False where there is none.

    For administrators, and for commands as the way back. Raises OwnFactor or LastWhoPasses.
    """
    if actor.door != "command" and actor.user_name == user.user_name:
        raise OwnFactor
    state.keep_a_way_in(user, actor)
    if _held(user) is None:
        return False
    _delete(user)
    announce("second_factor_reset", user, actor)
    record(actor, "otp.reset", _named(user))
    return True


@transaction.atomic
def _confirm(user: User, otp: str, actor: Actor, now: datetime) -> list[str]:
    factor = _held(user)
    if factor is None:
        raise NoSecondFactor
    if factor.confirmed_time is not None:
        raise FactorConfirmed
    step = _step(factor, codes.code_in(otp), now)
    if step is None:
        raise _Refused
    moved = SecondFactor.objects.filter(pk=factor.pk, confirmed_time=None).update(confirmed_time=now, last_step=step)
    if not moved:
        raise FactorConfirmed
    made = codes.new_recovery_codes()
    RecoveryCode.objects.filter(user=user).delete()
    RecoveryCode.objects.bulk_create(RecoveryCode(user=user, digest=codes.digest_of(code)) for code in made)
    record(actor, "otp.confirm", _named(user))
    return made


@transaction.atomic
def _remove(user: User, otp: str, actor: Actor, now: datetime) -> None:
    state.keep_a_way_in(user, actor)
    factor = _held(user)
    if factor is None or factor.confirmed_time is None:
        raise NoSecondFactor
    left = _take(factor, otp, now)
    _delete(user)
    _note_recovery(user, actor, left)
    record(actor, "otp.remove", _named(user))


def _held(user: User) -> SecondFactor | None:
    """Return the user's row, locked to the end of the transaction: who changes it takes turns."""
    return SecondFactor.objects.select_for_update().filter(user=user).first()


def _delete(user: User) -> None:
    RecoveryCode.objects.filter(user=user).delete()
    SecondFactor.objects.filter(user=user).delete()


@contextmanager
def _guessing(actor: Actor, action: str, user: User) -> Iterator[None]:
    """Count a wrong code as a wrong log-in of this user from this address, and leave its trace.

    A right one starts nothing again: it proves no password, and whoever got hold of a token could otherwise enrol and
    remove a factor of his own to guess at the password without end.
    """
    try:
        with guard.attempt(actor, current_policy().login):
            try:
                yield
            except _Refused as refused:
                refuse(actor, "otp.replay" if refused.replayed else action, _named(user))
                raise LoginRefused from None
            raise _Right
    except LoginRefused:
        raise OtpRefused("otp") from None
    except _Right:
        return


def _take(factor: SecondFactor, otp: str, now: datetime) -> int | None:
    """Take a code, each once, or raise _Refused; return how many are left where it was a recovery code."""
    code, recovery = codes.code_in(otp), codes.recovery_in(otp)
    if code is not None:
        _take_code(factor, code, now)
        return None
    if recovery is None:
        raise _Refused
    known = RecoveryCode.objects.filter(user=factor.user_id, digest=codes.digest_of(recovery))
    if not known.filter(used_time=None).update(used_time=now):
        raise _Refused(replayed=known.exists())
    return RecoveryCode.objects.filter(user=factor.user_id, used_time=None).count()


def _take_code(factor: SecondFactor, code: str, now: datetime) -> None:
    step = _step(factor, code, now)
    if step is None:
        raise _Refused
    # The newest step that was taken only grows: of two log-ins at once one moves the row, and no code is good once a
    # newer one was. A factor that was removed and made anew meanwhile is another one.
    unused = SecondFactor.objects.filter(pk=factor.pk, confirmed_time=factor.confirmed_time, last_step__lt=step)
    if not unused.update(last_step=step):
        raise _Refused(replayed=True)


def _note_recovery(user: User, actor: Actor, left: int | None) -> None:
    if left is not None:
        changes = [{"path": "recovery_codes", "from": left + 1, "to": left}]
        record(actor, "otp.recovery", _named(user), changes=changes)


def _step(factor: SecondFactor, code: str | None, now: datetime) -> int | None:
    if code is None:
        return None
    try:
        return codes.step_of(factor.secret.reveal(), code, now)
    except SecretUnreadable:
        # A recovery code still opens, and `manage.py reset_second_factor`.
        logger.error("the second factor of user %s can't be read: its key is lost", factor.pk)
        return None


def _named(user: User) -> str:
    return f"user {user.user_name}"
