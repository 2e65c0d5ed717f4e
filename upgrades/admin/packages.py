"""The pages of packages: the store and what is done to it, the keys that it trusts, what is on its way in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from sysmgr.acts import Act, ActingAdmin, Page, ReasonInput
from sysmgr.admin import ReadOnlyAdmin, ReadOnlyInline, actor_of, in_chinese
from upgrades import store_services
from upgrades.models import PackagePayload, TrustedKey, TusUpload, UpgradePackage

from .intake import UploadMixin


@admin.register(TrustedKey)
class TrustedKeyAdmin(ReadOnlyAdmin[TrustedKey]):
    list_display = ["name", "fingerprint", "cluster", "expire_time", "create_time"]
    list_select_related = ["cluster"]
    search_fields = ["name", "fingerprint"]
    ordering = ["name"]


class PackagePayloadInline(ReadOnlyInline):
    model = PackagePayload
    fields = ["service_type", "minimum_version", "files", "size"]


def _withdraw(request: HttpRequest, package: UpgradePackage, given: Mapping[str, Any]) -> None:
    store_services.withdraw(package.cluster, package.package_name, given["reason"], actor_of(request))


def _reinstate(request: HttpRequest, package: UpgradePackage, given: Mapping[str, Any]) -> None:
    store_services.reinstate(package.cluster, package.package_name, given["reason"], actor_of(request))


def _remove(request: HttpRequest, package: UpgradePackage, given: Mapping[str, Any]) -> None:
    store_services.remove(package.cluster, package.package_name, given["reason"], actor_of(request))


def _verify(request: HttpRequest, package: UpgradePackage, given: Mapping[str, Any]) -> None:
    for finding in store_services.verify(package.cluster, package, actor_of(request)):
        text = finding.message_cn if in_chinese() else finding.message
        messages.add_message(request, messages.SUCCESS if finding.ok else messages.ERROR, text)


@admin.register(UpgradePackage)
class UpgradePackageAdmin(UploadMixin, ActingAdmin[UpgradePackage]):
    list_display = ["package_name", "version", "cluster", "size", "signed_by", "update_time", "withdrawn_time"]
    list_filter = ["cluster"]
    list_select_related = ["cluster"]
    search_fields = ["package_name", "version", "sha256", "md5"]
    ordering = ["-create_time"]
    inlines = [PackagePayloadInline]
    pages = (Page("upload", "upgrade_package/upload", _("Upload a package"), "upload", exempt=True),)
    acts = (
        Act(
            name="verify",
            call="upgrade_package/verify",
            label=_("Verify"),
            question=_("The stored file is read once more and compared with its digests, manifest and signature."),
            do=_verify,
        ),
        Act(
            name="withdraw",
            call="upgrade_package/withdraw",
            label=_("Withdraw"),
            question=_("No new upgrade will use this package. Upgrades under way and rollbacks still may."),
            done=_("The package is withdrawn."),
            do=_withdraw,
            form=ReasonInput,
            offered=lambda package: package.withdrawn_time is None,
        ),
        Act(
            name="reinstate",
            call="upgrade_package/reinstate",
            label=_("Reinstate"),
            question=_("New upgrades may use this package again."),
            done=_("The package is reinstated."),
            do=_reinstate,
            form=ReasonInput,
            offered=lambda package: package.withdrawn_time is not None,
        ),
        Act(
            name="remove",
            call="upgrade_package/remove",
            label=_("Remove"),
            question=_("The package and its file are removed from the store. This can't be undone."),
            done=_("The package is removed."),
            do=_remove,
            form=ReasonInput,
            danger=True,
            leaves=True,
        ),
    )


@admin.register(TusUpload)
class TusUploadAdmin(ReadOnlyAdmin[TusUpload]):
    list_display = ["file_name", "state", "length", "user", "cluster", "said", "create_time", "expire_time"]
    list_filter = ["state"]
    list_select_related = ["cluster", "user"]
    search_fields = ["file_name", "user__user_name"]

    @admin.display(description=_("message"))
    def said(self, upload: TusUpload) -> str:
        """Return the message in the page's language."""
        return upload.message_cn if in_chinese() else upload.message
