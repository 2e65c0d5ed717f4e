"""Log-in and log-out."""

from __future__ import annotations

from django.contrib.auth import authenticate
from django.db import transaction

from settings_app.selectors import login_policy
from sysmgr.audit.services import Actor, record
from sysmgr.errors import LoginRefused

from . import tokens
from .models import Token, User


def log_in(user_name: str, password: str, source: str, request_id: str) -> tuple[str, Token, User]:
    """Return (token, its row, user), or raise LoginRefused.

    Django's backend hashes for unknown users too, so that the time does not tell who exists.
    """
    user = authenticate(None, username=user_name, password=password)
    actor = Actor(user_name, "api", source, request_id)
    if not isinstance(user, User):
        record(actor, "login", f"user {user_name}", result="refused")
        raise LoginRefused
    seconds = login_policy().token_expire_second
    with transaction.atomic():
        clear, row = tokens.issue(user, source, seconds)
        record(actor, "login", f"user {user_name}")
    return clear, row, user


@transaction.atomic
def log_out(token: Token, actor: Actor, *, everywhere: bool) -> None:
    """End this token, or all of its user's."""
    ended = Token.objects.filter(user=token.user) if everywhere else Token.objects.filter(pk=token.pk)
    ended.delete()
    record(actor, "logout", f"user {actor.user_name}")
