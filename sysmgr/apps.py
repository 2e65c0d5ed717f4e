"""The app configuration of the shell."""

from django.apps import AppConfig


class SysmgrConfig(AppConfig):
    name = "sysmgr"
