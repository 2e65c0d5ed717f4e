"""What rows are kept for how long: old ones go in small batches; the audit is kept for ever, logs go to stderr.

Also what `doctor` says about them, from the same table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db.models import Min, Model, Q, QuerySet
from django.utils import timezone

from settings_app.models import OutboxMail
from sysmgr import env
from sysmgr.accounts.models import ApiKey, LoginGuard, PasswordLink, Token
from sysmgr.api.credentials import LEGACY_KEY_UNUSED
from sysmgr.api.idempotency import KEPT
from sysmgr.api.models import IdempotencyKey
from sysmgr.events.models import Alert, Cursor, Event
from upgrades.models import StepLog, UpgradeRun

NEWEST_EVENTS = 10_000  # kept whatever their age
MOST_STEP_LOGS = 500_000  # of all runs together
BATCH = 500
_MOST_BATCHES = 40  # a turn: the next one goes on


@dataclass(frozen=True)
class Rule:
    """One kind of rows: which of them are too old at a moment, and how `doctor` puts it."""

    name: str
    model: type[Model]
    time: str
    kept: str
    old: Callable[[datetime], QuerySet[Any]]


def _old_events(now: datetime) -> QuerySet[Event]:
    """Only what was numbered and mailed about; the newest stay, and so does the last number."""
    read = dict(Cursor.objects.filter(name__in=(Cursor.STREAM, Cursor.NOTIFY)).values_list("name", "number"))
    # So many numbers, counted from the last one, are so many events: there are no gaps.
    last = min(read.get(Cursor.NOTIFY, 0), read.get(Cursor.STREAM, 0) - NEWEST_EVENTS)
    return Event.objects.filter(number__lte=last, time__lt=now - timedelta(days=env.EVENT_DAYS))


def _old_step_logs(now: datetime) -> QuerySet[StepLog]:
    """Those of runs that ended long ago; and, whatever their age, the oldest of too many."""
    newest = StepLog.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    ended = Q(item__run__state__in=UpgradeRun.ENDED, begin_time__lt=now - timedelta(days=env.EVENT_DAYS))
    return StepLog.objects.filter(ended | Q(pk__lte=newest - MOST_STEP_LOGS))


def unused_keys(now: datetime) -> QuerySet[ApiKey]:
    """Return keys of old clients that ended because nobody used them."""
    cut = now - LEGACY_KEY_UNUSED
    never = Q(last_used_time=None, create_time__lt=cut)
    return ApiKey.objects.filter(Q(last_used_time__lt=cut) | never, legacy=True)


def old_guards(now: datetime) -> QuerySet[LoginGuard]:
    """Return guards without a failure for long, those too whose last attempt died over its password."""
    cut = now - timedelta(days=2)
    return LoginGuard.objects.filter(Q(claims=0) | Q(claim_time__lt=cut), last_time__lt=cut)


def rules() -> list[Rule]:
    """Return all rules, with the periods of the environment."""
    mail, alert = timedelta(days=env.MAIL_DAYS), timedelta(days=env.ALERT_DAYS)
    ended = Q(state__in=[OutboxMail.State.SENT, OutboxMail.State.FAILED])
    return [
        Rule("events", Event, "time", f"{env.EVENT_DAYS} days, the newest {NEWEST_EVENTS:,} always", _old_events),
        Rule(
            "step logs",
            StepLog,
            "begin_time",
            f"{env.EVENT_DAYS} days, at most {MOST_STEP_LOGS:,}",
            _old_step_logs,
        ),
        Rule(
            "closed alerts",
            Alert,
            "close_time",
            f"{env.ALERT_DAYS} days",
            lambda now: Alert.objects.filter(close_time__lt=now - alert),
        ),
        Rule(
            "ended mail",
            OutboxMail,
            "end_time",
            f"{env.MAIL_DAYS} days",
            lambda now: OutboxMail.objects.filter(ended, end_time__lt=now - mail),
        ),
        Rule(
            "tokens",
            Token,
            "create_time",
            "until they end",
            lambda now: Token.objects.filter(expire_time__lt=now),
        ),
        Rule(
            "password links",
            PasswordLink,
            "create_time",
            "until they end",
            lambda now: PasswordLink.objects.filter(expire_time__lt=now),
        ),
        Rule(
            "keys for programs",
            ApiKey,
            "create_time",
            "30 days after they end",
            lambda now: ApiKey.objects.filter(expire_time__lt=now - timedelta(days=30)) | unused_keys(now),
        ),
        # Longer than any lock holds.
        Rule(
            "log-in guards",
            LoginGuard,
            "last_time",
            "2 days",
            old_guards,
        ),
        Rule(
            "idempotency keys",
            IdempotencyKey,
            "create_time",
            "24 hours",
            lambda now: IdempotencyKey.objects.filter(create_time__lt=now - KEPT),
        ),
        Rule(
            "admin sessions",
            Session,
            "expire_date",
            "until they end",
            lambda now: Session.objects.filter(expire_date__lt=now),
        ),
    ]


def sweep() -> None:
    """Remove what is too old, a batch a transaction, so that nobody waits long for the database."""
    for rule in rules():
        for _ in range(_MOST_BATCHES):
            if not _remove_batch(rule):
                break


def _remove_batch(rule: Rule) -> bool:
    """Remove one batch; True when there may be another. Rows that changed meanwhile are looked at again."""
    now = timezone.now()
    keys = list(rule.old(now).order_by("pk").values_list("pk", flat=True)[:BATCH])
    if not keys:
        return False
    rule.old(now).filter(pk__in=keys).delete()
    return len(keys) == BATCH


def told() -> str:
    """Return what is there: the count of each kind, the age of its oldest row, and how long rows are kept."""
    now = timezone.now()
    kept = [_told(rule, now) for rule in rules()]
    return "; ".join([*kept, "audit: kept for ever", "logs: on stderr, kept by whoever reads it"])


def _told(rule: Rule, now: datetime) -> str:
    rows = rule.model._default_manager.exclude(**{rule.time: None})
    oldest = rows.aggregate(oldest=Min(rule.time))["oldest"]
    age = f", oldest {max(0, (now - oldest).days)} d" if oldest else ""
    return f"{rule.name}: {rows.count()}{age} (kept {rule.kept})"
