"""The guard: counts wrong log-ins of a (user, source) pair in the database and locks the pair as the policy says.

An attempt takes a place before its password is looked at, and gives it back or keeps it as a failure afterwards. So of
thirty guesses at once no more than allowed are looked at, and right log-ins at once wait for each other instead of
locking each other out. Nobody learns from the guard whether a user exists.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from settings_app.models import LoginPolicy
from sysmgr.audit.services import Actor, record
from sysmgr.errors import LoginRefused

from .login_errors import HashQueueFull, LoginLocked
from .models import LoginGuard

_STALE = timedelta(seconds=60)  # whoever took a place and died keeps it as a failure from then on
_LONGEST_WAIT = 10.0
_PAUSE = 0.05


@contextmanager
def attempt(actor: Actor, policy: LoginPolicy) -> Iterator[None]:
    """Guard one look at a password or code of `actor.user_name` from `actor.source`.

    Raises LoginLocked where too many failed before. What is done inside is wrong when it raises LoginRefused, right
    when it returns, and neither when it raises anything else.
    """
    if not policy.login_fail_retry_times:
        yield
        return
    _claim(actor, policy)
    try:
        yield
    except LoginRefused:
        _wrong(actor, policy)
        raise
    except BaseException:
        _pair(actor).filter(claims__gt=0).update(claims=F("claims") - 1)
        raise
    _pair(actor).filter(claims__gt=0).update(claims=F("claims") - 1, failures=0)


def unlock(user_name: str, name_digest: str = "") -> int:
    """Forget the failures of a name, from whatever source; return how many sources had any.

    A guard's row holds only the beginning of a long name, so there its digest tells which one is meant.
    """
    return LoginGuard.objects.filter(name_digest=name_digest or _digest(user_name)).delete()[0]


def locked_names(policy: LoginPolicy, now: datetime) -> QuerySet[LoginGuard]:
    """Return the guards that lock at this moment."""
    cut = now - timedelta(seconds=policy.login_fail_punish_seconds)
    tries = policy.login_fail_retry_times
    rows = LoginGuard.objects.filter(last_time__gt=cut, failures__gte=max(tries, 1))
    return rows if tries else rows.none()


def _claim(actor: Actor, policy: LoginPolicy) -> None:
    """Take a place; wait for those whose password is being looked at where they fill all of them."""
    end = time.monotonic() + _LONGEST_WAIT
    while not _took_place(actor, policy):
        now = timezone.now()
        row = _pair(actor).first()
        if row is None:
            _begin(actor, now)
            continue
        unlocks = row.last_time + timedelta(seconds=policy.login_fail_punish_seconds)
        if row.failures >= policy.login_fail_retry_times and unlocks > now:
            raise LoginLocked(retry_after=max(1, math.ceil((unlocks - now).total_seconds())))
        stale = _pair(actor).filter(claims__gt=0, claim_time__lte=now - _STALE)
        if stale.update(failures=F("failures") + F("claims"), claims=0, last_time=now):
            continue
        if time.monotonic() > end:
            raise HashQueueFull(retry_after=1)
        time.sleep(_PAUSE)


def _took_place(actor: Actor, policy: LoginPolicy) -> bool:
    now = timezone.now()
    tries, cut = policy.login_fail_retry_times, now - timedelta(seconds=policy.login_fail_punish_seconds)
    taken = {"claims": F("claims") + 1, "claim_time": now}
    if _pair(actor).filter(last_time__gt=cut, failures__lt=tries - F("claims")).update(**taken):
        return True
    # So long without a failure starts again.
    return bool(_pair(actor).filter(last_time__lte=cut, claims__lt=tries).update(failures=0, **taken))


def _begin(actor: Actor, now: datetime) -> None:
    try:
        with transaction.atomic():
            LoginGuard.objects.create(
                name_digest=_digest(actor.user_name), user_name=actor.user_name[:64], source=actor.source, last_time=now
            )
    except IntegrityError:  # two at once
        return


@transaction.atomic
def _wrong(actor: Actor, policy: LoginPolicy) -> None:
    """Turn the place into a failure; the one that fills the last place closes the lock and says so."""
    now = timezone.now()
    cut = now - timedelta(seconds=policy.login_fail_punish_seconds)
    held = _pair(actor).filter(claims__gt=0)
    kept = {"claims": F("claims") - 1, "last_time": now}
    held_long_ago = held.filter(last_time__lte=cut).exclude(failures=0)
    held_long_ago.update(failures=0)
    last = policy.login_fail_retry_times - 1
    locked = held.filter(failures=last).update(failures=F("failures") + 1, **kept)
    if not locked:
        held.update(failures=F("failures") + 1, **kept)
    elif policy.login_fail_punish_seconds:
        record(actor, "login.lock", f"user {actor.user_name}", result="refused")


def _pair(actor: Actor) -> QuerySet[LoginGuard]:
    return LoginGuard.objects.filter(name_digest=_digest(actor.user_name), source=actor.source)


def _digest(user_name: str) -> str:
    return hashlib.sha256(user_name.encode("utf-8", "surrogatepass")).hexdigest()
