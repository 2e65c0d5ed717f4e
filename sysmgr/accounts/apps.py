"""The app configuration of `sysmgr.accounts`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "sysmgr.accounts"
    label = "accounts"
    verbose_name = _("Users and log-ins")

    def ready(self) -> None:
        """Take part where sessions begin and policies change; let the leader warn of passwords that expire."""
        from sysmgr import jobs

        from . import factor_policy, login_policy, password_policy, sessions, warn_mail

        sessions.connect()
        factor_policy.connect()
        login_policy.connect()
        password_policy.connect()
        jobs.register("password warnings", warn_mail.EVERY, warn_mail.warn)
