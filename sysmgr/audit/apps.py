"""The app configuration of `sysmgr.audit`."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AuditConfig(AppConfig):
    name = "sysmgr.audit"
    label = "audit"
    verbose_name = _("Audit")

    def ready(self) -> None:
        """Guard the table after each migration; let the leader write down counts and the day's head."""
        from sysmgr import jobs

        from . import anchors, refusals, triggers

        post_migrate.connect(triggers.install, sender=self, dispatch_uid="audit triggers")
        jobs.register("audit counts", 20, refusals.flush)
        jobs.register("audit head", 600, anchors.write_daily)
