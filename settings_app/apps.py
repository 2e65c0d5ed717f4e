"""The app configuration of `settings_app`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SettingsConfig(AppConfig):
    name = "settings_app"
    verbose_name = _("System settings")

    def ready(self) -> None:
        """Give each new cluster the safer settings, in the transaction that makes it; let the leader send mail."""
        from cluster import hooks
        from sysmgr import jobs

        from . import login_image
        from .mail import sender
        from .notify import notify
        from .services import create_defaults

        hooks.cluster_created.append(create_defaults)
        jobs.register("mail notify", 3, notify)
        jobs.register("mail send", 3, sender.send_due)
        jobs.register("log-in images", 3600, login_image.sweep)
        jobs.register("mail give up", 3600, sender.give_up_unconfigured)
