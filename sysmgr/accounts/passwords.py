"""Passwords: what happens when one is set, at whichever door."""

from __future__ import annotations

import re
from pathlib import Path

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from sysmgr import env
from sysmgr.files import write_whole

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


def _remove_unless_it_holds(path: Path, password: str) -> None:
    if path.exists() and path.read_text().strip() != password:
        path.unlink(missing_ok=True)
