"""The facts of accounts: users, what they hold to come in with, and what guards the log-in."""

from .factor import RecoveryCode, SecondFactor
from .guard import LoginGuard
from .link import PasswordLink
from .token import ApiKey, Token
from .user import Role, User

__all__ = ["ApiKey", "LoginGuard", "PasswordLink", "RecoveryCode", "Role", "SecondFactor", "Token", "User"]
