"""The app configuration of `sysmgr.audit`."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "sysmgr.audit"
    label = "audit"
