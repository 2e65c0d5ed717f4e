"""The app configuration of `sysmgr.api`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ApiConfig(AppConfig):
    name = "sysmgr.api"
    label = "api"
    verbose_name = _("API")
