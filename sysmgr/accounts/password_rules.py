"""The rules that a new password keeps, as Django's validators: every form and command that sets one obeys them."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import is_password_usable
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError

from settings_app.models import PasswordComplexityPolicy
from settings_app.policy import current_policy
from settings_app.sections import PASSWORD_SPECIAL_CHAR
from sysmgr.errors import bilingual

from . import hashing

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

_MADE_UP = 24  # characters, or as many as the policy wants
_SAFE = string.ascii_letters + string.digits + "-_"


def short(password: str, policy: PasswordComplexityPolicy) -> bool:
    """Tell whether a password has less characters than the policy wants."""
    return len(password) < policy.password_minimum_length


def plain(password: str, policy: PasswordComplexityPolicy) -> bool:
    """Tell whether the policy wants a special character and there is none; the documented set is taken literally."""
    return policy.password_must_include_special_char and not any(char in PASSWORD_SPECIAL_CHAR for char in password)


def common(password: str) -> bool:
    """Tell whether a password is one of the 20,000 that everybody tries first."""
    try:
        _list().validate(password)
    except ValidationError:
        return True
    return False


def weak(password: str, policy: PasswordComplexityPolicy) -> bool:
    """Tell whether a policy refuses a password whoever's it is, and whatever he had before."""
    return short(password, policy) or plain(password, policy) or common(password)


def make_up() -> str:
    """Return a random password that keeps today's rules."""
    policy = current_policy().password
    length = max(_MADE_UP, policy.password_minimum_length)
    while True:
        made = "".join(secrets.choice(_SAFE) for _ in range(length))
        if not weak(made, policy):
            return made


@cache
def _list() -> CommonPasswordValidator:
    return CommonPasswordValidator()


class _Rule:
    """A rule says when it refuses and how it is told."""

    code = ""
    help = bilingual("", "")

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        """Raise ValidationError where the rule refuses the password."""
        if self.refuses(password, user):
            raise ValidationError(self.text(), code=self.code)

    def refuses(self, password: str, user: AbstractBaseUser | None) -> bool:
        """Tell whether the rule refuses the password."""
        raise NotImplementedError

    def text(self) -> _StrPromise:
        """Say what is wrong with the password."""
        return self.help

    def get_help_text(self) -> _StrPromise | str:
        """Say what the rule wants."""
        return self.text()


class MinimumLength(_Rule):
    """`password_minimum_length`."""

    code = "password_too_short"

    def refuses(self, password: str, user: AbstractBaseUser | None) -> bool:
        """Compare with the policy of this moment."""
        return short(password, current_policy().password)

    def text(self) -> _StrPromise:
        """Say the length."""
        length = current_policy().password.password_minimum_length
        return bilingual(f"must have at least {length} characters", f"长度至少为 {length} 个字符")


class SpecialCharacter(_Rule):
    """`password_must_include_special_char`."""

    code = "password_without_special_char"
    help = bilingual(
        f"must contain at least one of these characters: {PASSWORD_SPECIAL_CHAR}",
        f"必须至少包含以下字符之一：{PASSWORD_SPECIAL_CHAR}",
    )

    def refuses(self, password: str, user: AbstractBaseUser | None) -> bool:
        """Look for one where the policy of this moment wants one."""
        return plain(password, current_policy().password)

    def get_help_text(self) -> _StrPromise | str:
        """Say it only where it is wanted."""
        return self.help if current_policy().password.password_must_include_special_char else ""


class NotCommon(_Rule):
    """Django's list of common passwords."""

    code = "password_too_common"
    help = bilingual("must not be one of the passwords that everybody tries first", "不得使用过于常见的密码")

    def refuses(self, password: str, user: AbstractBaseUser | None) -> bool:
        """Look into the list."""
        return common(password)


class NotReused(_Rule):
    """Neither the password that is to be replaced, nor the one before it; costs a hash each."""

    code = "password_reused"
    help = bilingual("must be neither the present password nor the one before it", "不得与当前密码或上一个密码相同")

    def refuses(self, password: str, user: AbstractBaseUser | None) -> bool:
        """Compare with the hashes; a user who had none has nothing to repeat."""
        known = [getattr(user, name, "") for name in ("password", "last_password")]
        return any(hashing.matches(password, encoded) for encoded in known if encoded and is_password_usable(encoded))


def told() -> list[_StrPromise | str]:
    """Return what today's rules want, for the pages on which a password is set."""
    rules: tuple[Callable[[], _Rule], ...] = (MinimumLength, SpecialCharacter, NotCommon, NotReused)
    return [text for text in (rule().get_help_text() for rule in rules) if str(text)]
