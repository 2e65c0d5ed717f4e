"""The app configuration of `upgrades`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class UpgradesConfig(AppConfig):
    name = "upgrades"
    verbose_name = _("Upgrades")

    def ready(self) -> None:
        """Take part when clusters and hosts come and go; let the leader show what is wrong with runs."""
        from sysmgr import jobs

        from . import alerts, backup_retention, comings, uploads
        from .hosts import sweeping

        comings.connect()
        jobs.register("upgrade alerts", 5, alerts.show)
        jobs.register("finished uploads", 0.2, uploads.look)
        jobs.register("expired uploads", 600, uploads.expire)
        jobs.register("old backups", backup_retention.SECONDS, backup_retention.sweep)
        jobs.register("host versions", sweeping.SECONDS, sweeping.sweep)
