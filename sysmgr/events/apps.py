"""The app configuration of `sysmgr.events`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class EventsConfig(AppConfig):
    name = "sysmgr.events"
    label = "events"
    verbose_name = _("Events")

    def ready(self) -> None:
        """Let the leader number what happened, also while nobody reads."""
        from sysmgr import jobs

        from .services import number

        jobs.register("event numbers", 1, number)
