"""The app configuration of `settings_app`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SettingsConfig(AppConfig):
    name = "settings_app"
    verbose_name = _("System settings")
