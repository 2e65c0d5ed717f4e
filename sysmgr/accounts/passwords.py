"""Passwords: what happens when one is set, at whichever door."""

from __future__ import annotations

from pathlib import Path

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from sysmgr import env

FIRST_PASSWORD = "initial-admin-password"


def first_password_file() -> Path:
    """Return the file with the first administrator's random password; it is gone once that was changed."""
    return env.DATA_DIR / FIRST_PASSWORD


class FirstPasswordFile:
    """A password validator that refuses nothing: it only hears that a password was changed, and tidies up."""

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        """Accept everything."""

    def get_help_text(self) -> str:
        """Say nothing."""
        return ""

    def password_changed(self, password: str, user: AbstractBaseUser) -> None:
        """Remove the file once the password that it holds is no longer the administrator's."""
        if user.get_username() == "admin":
            transaction.on_commit(lambda: _remove_unless_it_holds(password))


def _remove_unless_it_holds(password: str) -> None:
    path = first_password_file()
    if path.exists() and path.read_text().strip() != password:
        path.unlink(missing_ok=True)
