"""The app configuration of `sysmgr.events`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class EventsConfig(AppConfig):
    name = "sysmgr.events"
    label = "events"
    verbose_name = _("Events")
