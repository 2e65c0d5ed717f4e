"""The page of hosts: probed, repinned, adopted, put into maintenance, imported. cluster's own page only shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cluster import host_services
from cluster.admin import HostAdmin as ShownHosts
from cluster.imports import COLUMNS, REFUSED, import_hosts, rows_of_text
from cluster.models import Host, ServiceType
from sysmgr.acts import Act, ActingAdmin, Page, require
from sysmgr.admin import actor_of, in_chinese
from sysmgr.api.fields import validated
from sysmgr.errors import InvalidInput, Problem
from sysmgr.theme import FileInput, Select, TextInput
from upgrades.hosts import adopting, probing
from upgrades.hosts.serializers import AdoptInput, ProbeInput, RepinInput
from upgrades.models import HostHold

from .fields import cluster_field

_MOST_BYTES = 1024 * 1024
_SHOWN = 20


class ProbeForm(forms.Form):
    """The fingerprint that somebody vouches for."""

    accept_fingerprint = forms.CharField(
        label=_("Accepted fingerprint"),
        required=False,
        max_length=64,
        widget=TextInput,
        help_text=_("Empty at first: the host then only shows its key. Compare it on the host itself."),
    )


class RepinForm(forms.Form):
    """The new key's fingerprint, and why it changed."""

    fingerprint = forms.CharField(label=_("Fingerprint of the new key"), max_length=64, widget=TextInput)
    reason = forms.CharField(label=_("Reason"), max_length=255, widget=TextInput)


class MaintenanceForm(forms.Form):
    """Why runs leave the host out."""

    maintenance_reason = forms.CharField(label=_("Reason"), max_length=255, widget=TextInput)


class AdoptForm(forms.Form):
    """What is copied, and as which version."""

    service_type = forms.ChoiceField(label=_("Service"), choices=ServiceType.choices, widget=Select)
    source_path = forms.CharField(label=_("Folder of the installation"), max_length=1024, widget=TextInput)
    version = forms.CharField(label=_("Version"), max_length=64, widget=TextInput)
    dry_run = forms.BooleanField(label=_("Only tell what would be done"), required=False)


class ImportForm(forms.Form):
    """A file of hosts."""

    cluster = cluster_field()
    file = forms.FileField(label=_("CSV or JSON file"), widget=FileInput)
    dry_run = forms.BooleanField(label=_("Only tell what would be done"), required=False)
    partial = forms.BooleanField(label=_("Store the good rows although there are bad ones"), required=False)


def _probe(request: HttpRequest, host: Host, given: Mapping[str, Any]) -> None:
    body = validated(ProbeInput, {"host_ip": host.host_ip, "accept_fingerprint": given["accept_fingerprint"]})
    seen = probing.probe(host.cluster, host.host_ip, body["accept_fingerprint"], actor_of(request))
    if seen["pinned"]:
        messages.success(request, gettext("The host answered; its versions are read."))
    else:
        text = gettext("Nothing was run. The host shows a key with the fingerprint %(fingerprint)s.")
        messages.warning(request, text % {"fingerprint": seen["fingerprint"]})


def _repin(request: HttpRequest, host: Host, given: Mapping[str, Any]) -> None:
    body = validated(RepinInput, {"host_ip": host.host_ip, **given})
    probing.repin(host.cluster, host.host_ip, body["fingerprint"], body["reason"], actor_of(request))


def _hold_out(request: HttpRequest, host: Host, given: Mapping[str, Any]) -> None:
    values = {"host_ip": host.host_ip, "maintenance": True, **given}
    host_services.update_host(host.cluster, values, actor_of(request))


def _take_back(request: HttpRequest, host: Host, given: Mapping[str, Any]) -> None:
    host_services.update_host(host.cluster, {"host_ip": host.host_ip, "maintenance": False}, actor_of(request))


def _adopt(request: HttpRequest, host: Host, given: Mapping[str, Any]) -> None:
    body = validated(AdoptInput, {"host_ip": host.host_ip, **given})
    done = adopting.adopt(host.cluster, body, actor_of(request))
    text = gettext("%(files)d files, %(bytes)d bytes.") % {"files": done["files"], "bytes": done["bytes"]}
    if done["dry_run"]:
        messages.info(request, " ".join([gettext("Nothing was copied yet."), text]))
    else:
        messages.success(request, " ".join([gettext("The service is adopted."), text]))
    for step in done["steps"]:
        messages.warning(request, step["message_cn" if in_chinese() else "message"])


def _over_ssh(host: Host) -> bool:
    return host.transport == Host.Transport.SSH


admin.site.unregister(Host)


@admin.register(Host)
class HostAdmin(ShownHosts, ActingAdmin[Host]):
    list_select_related = ["cluster"]
    pages = (Page("import", "host/import", _("Import"), "import_file"),)
    acts = (
        Act(
            name="probe",
            call="host/probe",
            label=_("Probe"),
            question=_("The host is asked for its key and, where that one is pinned or accepted, for what it runs."),
            do=_probe,
            form=ProbeForm,
        ),
        Act(
            name="repin",
            call="host/repin",
            label=_("Pin a new key"),
            question=_(
                "The key that the host shows now takes the place of the pinned one, if it has this fingerprint."
            ),
            done=_("The key is pinned."),
            do=_repin,
            form=RepinForm,
            offered=_over_ssh,
            danger=True,
        ),
        Act(
            name="hold_out",
            call="host/update",
            label=_("Begin maintenance"),
            question=_("Runs leave the host out until the maintenance ends."),
            done=_("The host is in maintenance."),
            do=_hold_out,
            form=MaintenanceForm,
            offered=lambda host: not host.maintenance,
        ),
        Act(
            name="take_back",
            call="host/update",
            label=_("End maintenance"),
            question=_("Runs take the host again."),
            done=_("The maintenance is over."),
            do=_take_back,
            offered=lambda host: bool(host.maintenance),
        ),
        Act(
            name="adopt",
            call="host/adopt",
            label=_("Adopt a service"),
            question=_("The installation is copied into the host's folder; it stays where it is and is not changed."),
            do=_adopt,
            form=AdoptForm,
            offered=lambda host: host.services.filter(unmanaged=True).exists(),
        ),
    )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show the fingerprint beside the key, and the run that holds the host."""
        return [*super().get_fields(request, obj), "fingerprint", "holder"]

    @admin.display(description=_("fingerprint of the pinned key"))
    def fingerprint(self, host: Host) -> str:
        """Return it as OpenSSH shows it."""
        return probing.pinned_fingerprint(host)

    @admin.display(description=_("held by the run"))
    def holder(self, host: Host) -> SafeString | str:
        """Return a link to it: as long as it holds the host nothing else can be done with it."""
        hold = HostHold.objects.filter(host=host).first()
        if hold is None:
            return "-"
        link = reverse("admin:upgrades_upgraderun_change", args=[hold.run_id])
        return format_html('<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>', link, hold.run_id)

    def import_file(self, request: HttpRequest) -> HttpResponse:
        """Take hosts from a file."""
        require(request, "host/import")
        posted = (request.POST, request.FILES) if request.method == "POST" else ()
        form = ImportForm(*posted)

        def take(given: Mapping[str, Any]) -> HttpResponse:
            how = {"dry_run": given["dry_run"], "partial": given["partial"]}
            done = import_hosts(given["cluster"], rows_of_text(_text(given["file"])), actor_of(request), **how)
            self._say(request, done)
            return HttpResponseRedirect(self.link("import" if given["dry_run"] else "changelist"))

        said = {"label": gettext("Import"), "back": self.link("changelist")}
        question = " ".join([gettext("Columns of a CSV file:"), f"{', '.join(COLUMNS)}."])
        return self.ask(request, form, take, gettext("Import hosts"), question=question, **said)

    def _say(self, request: HttpRequest, done: Mapping[str, Any]) -> None:
        counts = {key: done[key] for key in ("created", "updated", "unchanged", "refused")}
        text = gettext("%(created)d new, %(updated)d changed, %(unchanged)d unchanged, %(refused)d refused.") % counts
        if not done["stored"]:
            text = " ".join([text, gettext("Nothing was stored.")])
        self.message_user(request, text, messages.WARNING if done["refused"] else messages.SUCCESS)
        for row in [row for row in done["list"] if row["outcome"] == REFUSED][:_SHOWN]:
            said = row["message_cn" if in_chinese() else "message"]
            self.message_user(request, f"{row['row']}: {row['host_ip']}: {said}", messages.WARNING)


def _text(file: Any) -> str:
    """Return the text of an uploaded file, or raise InvalidInput."""
    if file.size > _MOST_BYTES:
        raise InvalidInput([Problem("file", "is larger than 1 MiB", "超过 1 MiB")])
    try:
        return str(file.read().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InvalidInput([Problem("file", "is not UTF-8", "不是 UTF-8 编码")]) from None
