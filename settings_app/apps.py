"""The app configuration of `settings_app`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SettingsConfig(AppConfig):
    name = "settings_app"
    verbose_name = _("System settings")

    def ready(self) -> None:
        """Give each new cluster the safer settings, in the transaction that makes it; guard which one the doors obey;
        let the leader send mail and take back what nobody confirmed."""
        from cluster import hooks
        from sysmgr import jobs
        from sysmgr.api import gate

        from . import hooks as policy_hooks
        from . import login_image, pending
        from .access import policy_hooks as access
        from .mail import sender
        from .notify import notify
        from .services import create_defaults, default_changing

        hooks.cluster_created.append(create_defaults)
        hooks.default_changing.append(default_changing)
        policy_hooks.refusals.append(access.refusals)
        policy_hooks.effects.append(access.effects)
        gate.overdue.append(pending.take_back_due)
        jobs.register("settings take back", 1, pending.take_back_due)
        jobs.register("settings taken back, seen", 60, pending.close_seen)
        jobs.register("mail notify", 3, notify)
        jobs.register("mail send", 3, sender.send_due)
        jobs.register("log-in images", 3600, login_image.sweep)
        jobs.register("mail give up", 3600, sender.give_up_unconfigured)
