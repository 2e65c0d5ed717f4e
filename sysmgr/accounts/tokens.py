"""Tokens: made at log-in, looked up by digest, expiring by policy."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.utils import timezone

from .models import ApiKey, Token, User


def digest(token: str) -> str:
    """Return what the database keeps of a token. It has 256 random bits, so a fast digest is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def issue(
    user: User, source: str, seconds: int, *, door: str = Token.Door.API, legacy: bool = False
) -> tuple[str, Token]:
    """Make a token that lives `seconds`; its clear text is returned once and kept nowhere."""
    clear = secrets.token_urlsafe(32)
    now = timezone.now()
    row = Token.objects.create(
        user=user,
        digest=digest(clear),
        source=source[:64],
        door=door,
        legacy=legacy,
        create_time=now,
        last_used_time=now,
        expire_time=now + timedelta(seconds=seconds),
    )
    return clear, row


def touch(row: Token | ApiKey, now: datetime) -> None:
    """Note the use, at most once a minute: a read must not become a write."""
    if row.last_used_time is None or now - row.last_used_time >= timedelta(minutes=1):
        type(row)._default_manager.filter(pk=row.pk).update(last_used_time=now)
