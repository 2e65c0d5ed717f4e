"""The app configuration of `sysmgr.events`."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "sysmgr.events"
    label = "events"
