"""The app configuration of `sysmgr.api`."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "sysmgr.api"
    label = "api"
