"""The app configuration of `sysmgr.api`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ApiConfig(AppConfig):
    name = "sysmgr.api"
    label = "api"
    verbose_name = _("API")

    def ready(self) -> None:
        """Let the leader forget peers that stopped to pose as proxies."""
        from sysmgr import jobs

        from . import proxies

        jobs.register("proxies forget", 3600, proxies.forget)
