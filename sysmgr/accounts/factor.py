"""The second factor: enrolling an authenticator, and taking its codes, each once."""

from __future__ import annotations

from settings_app.policy import Policy

from .models import User


def check(user: User, otp: str, policy: Policy) -> None:
    """Take the one-time or recovery code of a log-in whose password was right.

    Returns where none is needed. Raises OtpRequired (none was given), SecondFactorMissing (the policy asks for one and
    the user has none) or LoginRefused (it is wrong, or was used before).
    """
