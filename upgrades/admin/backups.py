"""The page of backups: made on demand, verified, restored, removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cluster.models import ServiceType
from sysmgr.acts import Act, ActingAdmin, Page, require
from sysmgr.admin import actor_of
from sysmgr.theme import Select, TextInput
from upgrades import backup_care, backup_services
from upgrades.models import Backup, UpgradeRun

from .fields import cluster_field


class BackupForm(forms.Form):
    """What is backed up."""

    cluster = cluster_field()
    host_ip = forms.CharField(label=_("Address"), max_length=45, widget=TextInput)
    service_type = forms.ChoiceField(label=_("Service"), choices=ServiceType.choices, widget=Select)


def _to(run: UpgradeRun) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:upgrades_upgraderun_change", args=[run.pk]))


def _verify(request: HttpRequest, backup: Backup, given: Mapping[str, Any]) -> None:
    backup_care.verify(backup, actor_of(request))


def _restore(request: HttpRequest, backup: Backup, given: Mapping[str, Any]) -> HttpResponse:
    host = backup.host
    run = backup_services.request_restore(host.cluster, host.host_ip, backup.package_name, actor_of(request))
    messages.success(request, gettext("The restore has begun."))
    return _to(run)


def _remove(request: HttpRequest, backup: Backup, given: Mapping[str, Any]) -> None:
    host = backup.host
    given_up = backup_care.give_up(host.cluster, host.host_ip, backup.package_name, actor_of(request))
    if backup_care.finish(given_up):
        messages.success(request, gettext("The backup is removed."))
    else:
        messages.warning(request, gettext("The backup is given up; its file goes once its host can be asked."))


def _complete(backup: Backup) -> bool:
    return backup.update_time is not None and backup.remove_time is None


@admin.register(Backup)
class BackupAdmin(ActingAdmin[Backup]):
    list_display = [
        "package_name",
        "host",
        "service_type",
        "version",
        "size",
        "begin_time",
        "update_time",
        "verified_time",
    ]
    list_filter = ["service_type", "host__cluster"]
    list_select_related = ["host"]
    search_fields = ["package_name", "host__host_ip", "version", "sha256"]
    ordering = ["-begin_time"]
    pages = (Page("new", "compute/version/backup", _("Back up now"), "new"),)
    acts = (
        Act(
            name="verify",
            call="compute/version/verify",
            label=_("Verify"),
            question=_("The host reads the backup whole and compares it with what was written."),
            done=_("The backup is what was written."),
            do=_verify,
            offered=_complete,
        ),
        Act(
            name="restore",
            call="compute/version/restore",
            label=_("Restore"),
            question=_("A run brings this release back; what runs now is backed up first. Data is not touched."),
            do=_restore,
            offered=_complete,
        ),
        Act(
            name="remove",
            call="compute/version/remove",
            label=_("Remove"),
            question=_("The backup is removed from its host. This can't be undone."),
            do=_remove,
            offered=_complete,
            danger=True,
            leaves=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Backup]:
        """Read the host's cluster too: acts name it."""
        return super().get_queryset(request).select_related("host__cluster")

    def new(self, request: HttpRequest) -> HttpResponse:
        """Back up what a service runs now."""
        require(request, "compute/version/backup")
        initial = {"host_ip": request.GET.get("host_ip", "")[:45]}
        form = BackupForm(request.POST if request.method == "POST" else None, initial=initial)

        def begin(given: Mapping[str, Any]) -> HttpResponse:
            named = (given["cluster"], given["host_ip"], given["service_type"])
            run = backup_services.request_backup(*named, actor_of(request))
            self.message_user(request, gettext("The backup has begun."), messages.SUCCESS)
            return _to(run)

        said = {"label": gettext("Back up now"), "back": self.link("changelist")}
        return self.ask(request, form, begin, gettext("Back up now"), **said)
