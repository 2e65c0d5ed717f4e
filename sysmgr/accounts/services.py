"""Log-out; making users."""

from __future__ import annotations

import secrets
from pathlib import Path

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import translation

from sysmgr.api.fields import invalid_model
from sysmgr.api.strict_json import check_text, printable
from sysmgr.audit.services import Actor, record
from sysmgr.errors import InvalidInput, Problem, UserExists

from .models import Token, User
from .passwords import keep_first_password


@transaction.atomic
def log_out(token: Token, actor: Actor, *, everywhere: bool) -> None:
    """End this token, or all of its user's."""
    ended = Token.objects.filter(user=token.user) if everywhere else Token.objects.filter(pk=token.pk)
    ended.delete()
    record(actor, "logout", f"user {actor.user_name}")


@transaction.atomic
def create_user(
    user_name: str, role: str, actor: Actor, *, password: str | None = None, email: str = ""
) -> tuple[User, Path | None]:
    """Make a user. Without a password one is made up, and the file that holds it is returned too.

    Raises InvalidInput or UserExists.
    """
    check_text(user_name, "user_name")
    check_password(password, User(user_name=user_name, email=email, role=role))
    if User.objects.filter(user_name=user_name).exists():
        raise UserExists("user_name", name=printable(user_name))
    clear = secrets.token_urlsafe(18) if password is None else password
    try:
        with transaction.atomic():
            user = User.objects.create_user(user_name, clear, role=role, email=email)
    except ValidationError as error:
        if any(found.code == "unique" for found in error.error_dict.get("user_name", [])):  # two at once
            raise UserExists("user_name", name=printable(user_name)) from None
        raise invalid_model(error, "") from None
    except IntegrityError:  # two at once
        raise UserExists("user_name", name=printable(user_name)) from None
    file = keep_first_password(user, clear) if password is None else None
    record(actor, "user.create", f"user {user.user_name}", changes=[{"path": "role", "from": None, "to": role}])
    return user, file


def check_password(password: str | None, user: User) -> None:
    """Raise InvalidInput when the validators refuse the password; None is one that will be made up."""
    if password is None:
        return
    if not 0 < len(password) <= 255:
        raise InvalidInput([Problem("password", "must have 1 to 255 characters", "必须为 1 至 255 个字符")])
    check_text(password, "password")
    try:
        validate_password(password, user)
    except ValidationError as error:
        with translation.override("en"):
            english = "; ".join(error.messages)
        with translation.override("zh-hans"):
            chinese = "; ".join(error.messages)
        raise InvalidInput([Problem("password", english, chinese)]) from None
