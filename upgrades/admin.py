"""The admin door of upgrades: packages and their trust, runs and their steps, held hosts, backups."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from sysmgr.admin import ReadOnlyAdmin, ReadOnlyInline, in_chinese, pretty

from .models import Backup, HostHold, PackagePayload, TrustedKey, UpgradeItem, UpgradePackage, UpgradeRun


@admin.register(TrustedKey)
class TrustedKeyAdmin(ReadOnlyAdmin[TrustedKey]):
    list_display = ["name", "fingerprint", "cluster", "expire_time", "create_time"]
    list_select_related = ["cluster"]
    search_fields = ["name", "fingerprint"]
    ordering = ["name"]


class PackagePayloadInline(ReadOnlyInline):
    model = PackagePayload
    fields = ["service_type", "minimum_version", "files", "size"]


@admin.register(UpgradePackage)
class UpgradePackageAdmin(ReadOnlyAdmin[UpgradePackage]):
    list_display = ["package_name", "version", "cluster", "size", "signed_by", "update_time"]
    list_filter = ["cluster"]
    list_select_related = ["cluster"]
    search_fields = ["package_name", "version", "sha256", "md5"]
    ordering = ["-create_time"]
    inlines = [PackagePayloadInline]


class UpgradeItemInline(ReadOnlyInline):
    model = UpgradeItem
    fields = ["ordinal", "host", "service_type", "from_version", "to_version", "state", "said"]
    readonly_fields = ["said"]
    show_change_link = True

    @admin.display(description=_("message"))
    def said(self, item: UpgradeItem) -> str:
        """Return the message in the page's language."""
        return item.message_cn if in_chinese() else item.message


@admin.register(UpgradeRun)
class UpgradeRunAdmin(ReadOnlyAdmin[UpgradeRun]):
    list_display = ["uuid", "cluster", "state", "author", "create_time", "end_time"]
    list_filter = ["state", "cluster", "create_time"]
    list_select_related = ["cluster"]
    search_fields = ["uuid", "author", "reason", "message", "message_cn"]
    ordering = ["-create_time"]
    inlines = [UpgradeItemInline]
    instead = {"options": "pretty_options"}

    @admin.display(description=_("options"))
    def pretty_options(self, run: UpgradeRun) -> SafeString:
        """Return the options as indented JSON."""
        return pretty(run.options)


@admin.register(UpgradeItem)
class UpgradeItemAdmin(ReadOnlyAdmin[UpgradeItem]):
    list_display = ["host", "service_type", "from_version", "to_version", "state", "run", "update_time"]
    list_filter = ["state", "service_type", "host__cluster"]
    list_select_related = ["host", "run"]
    search_fields = ["host_ip", "to_version", "run__uuid"]
    ordering = ["-update_time"]


@admin.register(HostHold)
class HostHoldAdmin(ReadOnlyAdmin[HostHold]):
    list_display = ["host", "run"]
    list_select_related = ["host", "run"]
    search_fields = ["host__host_ip", "run__uuid"]


@admin.register(Backup)
class BackupAdmin(ReadOnlyAdmin[Backup]):
    list_display = ["package_name", "host", "service_type", "version", "size", "begin_time", "update_time"]
    list_filter = ["service_type", "host__cluster"]
    list_select_related = ["host"]
    search_fields = ["package_name", "host__host_ip", "version", "sha256"]
    ordering = ["-begin_time"]
