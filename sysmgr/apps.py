"""The app configurations of the shell and of the admin."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin


class SysmgrConfig(AppConfig):
    name = "sysmgr"
    default = True

    def ready(self) -> None:
        """Give the leader the work that belongs to no app."""
        from sysmgr import jobs
        from sysmgr.management import retention, standing

        jobs.register("old rows", 3600, retention.sweep)
        jobs.register("standing alerts", 60, standing.show)


class SysmgrAdminConfig(admin.AdminConfig):
    default = False
    default_site = "sysmgr.site.Site"
