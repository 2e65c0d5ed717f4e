"""The admin's sessions: each carries a token like a log-in at the API, so both expire, are listed and end alike."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from settings_app.policy import current_policy
from sysmgr.api.credentials import Found
from sysmgr.api.gate import client_address
from sysmgr.audit.services import Actor, record

from . import password_state, tokens
from .models import Token, User

KEY = "token"


def session_user(request: HttpRequest) -> User | AnonymousUser:
    """Return whose session this is, or nobody when it ended, expired or its user may not come in any more.

    Queries: the token with its user. What is not good any more is forgotten at once.
    """
    wanted = request.session.get(KEY)
    if wanted is None:
        return AnonymousUser()
    token = Token.objects.select_related("user").filter(pk=wanted, door=Token.Door.ADMIN).first()
    gate, now = getattr(request, "gate", None), timezone.now()
    policy = gate.policy if gate is not None else current_policy()
    if token is None or not token.user.is_active or Found(token, token.user).expired(policy, now):
        request.session.flush()
        return AnonymousUser()
    tokens.touch(token, now)
    request.login_token = token  # type: ignore[attr-defined]
    return token.user


def restricted(request: HttpRequest) -> bool:
    """Tell whether all that the session's user may do is to change the password."""
    user, gate = request.user, getattr(request, "gate", None)
    if not isinstance(user, User):
        return False
    policy = gate.policy if gate is not None else current_policy()
    return password_state.must_change(user, policy.password, timezone.now())


def token_uuid(request: HttpRequest) -> UUID | None:
    """Return the token of the session."""
    found = request.session.get(KEY) if hasattr(request, "session") else None
    return UUID(found) if found else None


def _actor(request: HttpRequest, user: User) -> Actor:
    source = client_address(request)
    return Actor(user.user_name, "admin", source, getattr(request, "request_id", ""), user_uuid=user.pk)


@transaction.atomic
def leave(request: HttpRequest) -> None:
    """End the log-in that the session carried so far, because another one begins in it."""
    carried = token_uuid(request)
    token = Token.objects.select_related("user").filter(pk=carried).first() if carried else None
    if token is not None:
        token.delete()
        record(_actor(request, token.user), "logout", f"user {token.user.user_name}")


@transaction.atomic
def logged_in(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Tie the session to the token of its log-in; one that did not come through the log-in page gets its own."""
    token = getattr(request, "login_token", None)
    if token is None:
        seconds = current_policy().login.token_expire_second
        _clear, token = tokens.issue(user, client_address(request), seconds, door=Token.Door.ADMIN)
        record(_actor(request, user), "login", f"user {user.user_name}")
    request.session[KEY] = str(token.pk)
    request.session.set_expiry(max(1, int((token.expire_time - timezone.now()).total_seconds())))


@transaction.atomic
def logged_out(sender: Any, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    """End the session's token; without a user there was none."""
    if not isinstance(user, User):
        return
    carried = token_uuid(request)
    if carried is not None:
        Token.objects.filter(pk=carried).delete()
    record(_actor(request, user), "logout", f"user {user.user_name}")


def connect() -> None:
    """Listen to Django's sessions, once a process."""
    user_logged_in.connect(logged_in, dispatch_uid="accounts")
    user_logged_out.connect(logged_out, dispatch_uid="accounts")
