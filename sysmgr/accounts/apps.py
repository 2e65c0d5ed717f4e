"""The app configuration of `sysmgr.accounts`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "sysmgr.accounts"
    label = "accounts"
    verbose_name = _("Users and log-ins")

    def ready(self) -> None:
        """Let the admin's log-ins leave their trace."""
        from . import sessions

        sessions.connect()
