"""Ending log-ins, and opening locks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from settings_app.policy import Policy
from sysmgr.api.paging import Page
from sysmgr.api.strict_json import printable
from sysmgr.audit.services import Actor, record
from sysmgr.events.models import Event
from sysmgr.events.services import emit

from . import guard
from .login_errors import SessionNotFound
from .models import Token


@transaction.atomic
def log_out(token: Token, actor: Actor, *, everywhere: bool) -> None:
    """End this token, or all of its user's."""
    ended = Token.objects.filter(user=token.user) if everywhere else Token.objects.filter(pk=token.pk)
    ended.delete()
    record(actor, "logout", f"user {actor.user_name}")


def living(policy: Policy) -> QuerySet[Token]:
    """Return the log-ins that are still good, the newest first."""
    now = timezone.now()
    born = now - timedelta(seconds=policy.login.token_expire_second)
    return Token.objects.filter(expire_time__gt=now, create_time__gt=born).order_by("-create_time", "pk")


def session_list(user_uuid: UUID | None, policy: Policy, page: Page, current: UUID | None) -> dict[str, Any]:
    """Return log-ins, of one user or of all, never what opens them. Queries: count, page."""
    rows = living(policy).select_related("user")
    if user_uuid is not None:
        rows = rows.filter(user=user_uuid)
    if page.name:
        rows = rows.filter(user__user_name__icontains=page.name)
    longest = timedelta(seconds=policy.login.token_expire_second)

    def facts(token: Token) -> dict[str, Any]:
        return {
            "session_uuid": str(token.pk),
            "create_time": int(token.create_time.timestamp()),
            "last_used_time": int(token.last_used_time.timestamp()),
            "source": token.source,
            "expire_time": int(min(token.expire_time, token.create_time + longest).timestamp()),
            "user_name": token.user.user_name,
            "door": str(token.door),
            "current": token.pk == current,
        }

    return page.cut(rows, facts)


@transaction.atomic
def end_session(session_uuid: UUID, owner: UUID | None, actor: Actor) -> None:
    """End one log-in, of `owner` only unless that is None. Raises SessionNotFound."""
    rows = Token.objects.filter(pk=session_uuid)
    if owner is not None:
        rows = rows.filter(user=owner)
    name = rows.values_list("user__user_name", flat=True).first()
    moved, _ = rows.delete()
    if not moved:
        raise SessionNotFound("session_uuid")
    record(actor, "session.end", f"user {name} session {session_uuid}")


@transaction.atomic
def unlock(user_name: str, actor: Actor, name_digest: str = "") -> int:
    """Open the locks of a name, from whatever source; return from how many it had failed. None: no trace."""
    count = guard.unlock(user_name, name_digest)
    if count:
        emit(
            "account.unlocked",
            actor.user_uuid or UUID(int=0),
            f"{actor.user_name} unlocked the log-in of {printable(user_name)}",
            f"{actor.user_name} 解除了 {printable(user_name)} 的登录锁定",
            severity=Event.Severity.WARNING,
            user_name=printable(user_name),
            door=actor.door,
        )
        record(actor, "user.unlock", f"user {user_name}")
    return count
