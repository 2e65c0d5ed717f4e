"""Setting passwords: checked by the rules, hashed before the transaction, the first one's file removed with it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.password_validation import password_changed, validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone, translation

from settings_app.policy import current_policy
from sysmgr import env
from sysmgr.api.strict_json import check_text
from sysmgr.audit.refusals import refuse
from sysmgr.audit.services import Actor, record
from sysmgr.errors import InvalidInput, LoginRefused, Problem
from sysmgr.files import write_whole

from . import guard, hashing
from .login_errors import LoginLocked
from .models import PasswordLink, Token, User
from .user_errors import OldPasswordWrong, UserNotFound

MOST = 255  # characters: what the API's strings hold

FIRST_PASSWORD = "initial-{name}-password"


def first_password_file(user: AbstractBaseUser | None = None) -> Path:
    """Return the file of a made-up first password (of `admin` if nobody is named); it goes once that is changed."""
    name = user.get_username() if user is not None else "admin"
    if user is not None and not re.fullmatch(r"[A-Za-z0-9._@+-]{1,64}", name):
        name = str(user.pk)  # no name for a file
    return env.DATA_DIR / FIRST_PASSWORD.format(name=name)


def first_password_files() -> list[Path]:
    """Return all such files that still lie about."""
    return sorted(env.DATA_DIR.glob(FIRST_PASSWORD.format(name="*")))


def keep_first_password(user: AbstractBaseUser, password: str) -> Path:
    """Write the file, before the user is committed: a user without it can't come in, a file alone opens nothing."""
    path = first_password_file(user)
    write_whole(path, f"{password}\n".encode())
    return path


def forget_first_password(user: AbstractBaseUser) -> None:
    """Remove the file of a user who goes, once he is gone."""
    path = first_password_file(user)
    transaction.on_commit(lambda: path.unlink(missing_ok=True))


class FirstPasswordFile:
    """A password validator that refuses nothing: it only hears that a password was changed, and tidies up."""

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        """Accept everything."""

    def get_help_text(self) -> str:
        """Say nothing."""
        return ""

    def password_changed(self, password: str, user: AbstractBaseUser) -> None:
        """Remove the file once the password that it holds is no longer the user's."""
        path = first_password_file(user)
        transaction.on_commit(lambda: _remove_unless_it_holds(path, password))


def check_password(password: str, user: User, path: str = "password") -> None:
    """Raise InvalidInput, in both languages, when the rules refuse a password that is to be this user's."""
    if not 0 < len(password) <= MOST:
        raise InvalidInput([Problem(path, f"must have 1 to {MOST} characters", f"必须为 1 至 {MOST} 个字符")])
    check_text(password, path)
    try:
        validate_password(password, user)
    except ValidationError as error:
        with translation.override("en"):
            english = "; ".join(str(message) for message in error.messages)
        with translation.override("zh-hans"):
            chinese = "；".join(str(message) for message in error.messages)
        raise InvalidInput([Problem(path, english, chinese)]) from None


@dataclass(frozen=True)
class Hashed:
    """A password on its way into the database; hashing takes long, so it is done before the transaction begins."""

    clear: str | None = field(repr=False)  # None: one that nobody can know
    encoded: str = field(repr=False)
    legacy: str = field(repr=False)

    @classmethod
    def of(cls, clear: str | None) -> Hashed:
        """Hash a password as the model does."""
        made = User()
        made.set_password(clear)
        return cls(clear, made.password, made.legacy_password)


def change_own(actor: Actor, old: str, new: str) -> User:
    """Change the actor's own password; his other tokens end, the one that he acts with stays.

    Raises OldPasswordWrong, which counts as a wrong log-in does, LoginLocked, HashQueueFull or InvalidInput.
    """
    try:
        with hashing.place():
            seen = _proven(actor, old)
            check_password(new, seen, "new_password")
            hashed = Hashed.of(new)
        return _exchange(actor, seen, hashed)
    except (LoginRefused, LoginLocked):
        refuse(actor, "password.change", f"user {actor.user_name}")
        raise


def _proven(actor: Actor, old: str) -> User:
    """Return the actor's user as he is now, once he has shown the old password."""
    own = User.objects.filter(is_active=True)
    user = own.filter(pk=actor.user_uuid).first() if actor.user_uuid is not None else None
    if user is None:
        raise UserNotFound
    with guard.attempt(actor, current_policy().login):
        if not hashing.matches(old, user.password):
            raise OldPasswordWrong("old_password")
    return user


@transaction.atomic
def _exchange(actor: Actor, seen: User, hashed: Hashed) -> User:
    user = held(seen.pk)
    if user.password_change_time != seen.password_change_time:  # it was changed meanwhile, and is the old one no more
        raise OldPasswordWrong("old_password")
    store(user, hashed, keep=actor.token_uuid)
    record(actor, "password.change", f"user {user.user_name}")
    return user


def held(user_uuid: UUID) -> User:
    """Return a user's row, locked to the end of the transaction. Raises UserNotFound.

    The lock leaves its key alone: who comes in at this moment refers to it at his commit, with the audit's lock in
    hand, for which the holder of this one may be waiting.
    """
    user = User.objects.select_for_update(no_key=True).filter(pk=user_uuid).first()
    if user is None:
        raise UserNotFound
    return user


def store(user: User, hashed: Hashed, *, must_change: bool = False, keep: UUID | None = None) -> None:
    """Set the password of a held user; his tokens end but `keep`, and so do the links by which he could set one."""
    if user.has_usable_password():
        user.last_password = user.password
    user.password, user.legacy_password = hashed.encoded, hashed.legacy
    user.password_change_time, user.must_change_password = timezone.now(), must_change
    user.save(
        update_fields=[
            "password",
            "last_password",
            "legacy_password",
            "password_change_time",
            "must_change_password",
        ]
    )
    living = Token.objects.filter(user=user)
    (living.exclude(pk=keep) if keep is not None else living).delete()
    PasswordLink.objects.filter(user=user, used_time=None).delete()
    if hashed.clear is not None:
        password_changed(hashed.clear, user)


def _remove_unless_it_holds(path: Path, password: str) -> None:
    if path.exists() and path.read_text().strip() != password:
        path.unlink(missing_ok=True)
