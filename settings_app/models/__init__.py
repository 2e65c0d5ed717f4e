"""The facts of the settings: one typed table per section, and the revisions of all of them."""

from .access import AccessControlPolicy
from .login import LoginPolicy, MultiAuthenticationSetting, PasswordComplexityPolicy
from .mail import MailSetting
from .outbox import OutboxMail
from .rest import FrontStyleSetting, SnmpSettings, SnmpTarget, StorageSetting
from .revision import PendingChange, SettingRevision

__all__ = [
    "AccessControlPolicy",
    "FrontStyleSetting",
    "LoginPolicy",
    "MailSetting",
    "MultiAuthenticationSetting",
    "OutboxMail",
    "PasswordComplexityPolicy",
    "PendingChange",
    "SettingRevision",
    "SnmpSettings",
    "SnmpTarget",
    "StorageSetting",
]
