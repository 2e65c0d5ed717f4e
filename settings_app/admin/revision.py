"""The page of revisions: who changed which settings, from what to what, and the act that brings one back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cluster.models import Cluster
from settings_app.models import SettingRevision
from settings_app.revision_serializers import RevisionRestoreInput
from settings_app.revisions import restore_revision
from settings_app.sections import SECTIONS
from sysmgr.acts import Act, ActingAdmin
from sysmgr.admin import actor_of, change_table, pretty
from sysmgr.api.fields import validated
from sysmgr.theme import CheckboxSelectMultiple

from . import origins
from .banner import banners
from .change import controls, lockout_field, reason_field, within_field

_PATHS_SHOWN = 3


class RestoreInput(forms.Form):
    """Asks what of the revision comes back, and how."""

    sections = forms.MultipleChoiceField(
        label=_("Sections"),
        required=False,
        choices=[(name, capfirst(model._meta.verbose_name)) for name, model in SECTIONS.items()],
        widget=CheckboxSelectMultiple,
        help_text=_("None chosen: all of them."),
    )
    reason = reason_field()
    confirm_within_seconds = within_field()
    confirm_lockout = lockout_field(shown=True)
    if_revision = forms.IntegerField(required=False, widget=forms.HiddenInput)


def _newest(revision: SettingRevision) -> dict[str, Any]:
    """Return the revision that the page of the restore stands upon."""
    rows = SettingRevision.objects.filter(cluster=revision.cluster_id).order_by("-number")
    return {"if_revision": rows.values_list("number", flat=True)[0]}


def _restore(request: HttpRequest, revision: SettingRevision, given: Mapping[str, Any]) -> HttpResponse:
    chosen = {"sections": given["sections"]} if given["sections"] else {}
    # The API's own input: what one door refuses, the other does not let in.
    body = validated(RevisionRestoreInput, {"revision": revision.number, **chosen, **controls(given)})
    made = restore_revision(revision.cluster, body.pop("revision"), actor_of(request), **body)
    if made is None:
        messages.info(request, gettext("Nothing differs from what is stored."))
    else:
        messages.success(request, gettext("Saved as revision %(number)d.") % {"number": made.number})
    shown = made or revision
    return HttpResponseRedirect(reverse("admin:settings_app_settingrevision_change", args=[shown.pk]))


@admin.register(SettingRevision)
class SettingRevisionAdmin(ActingAdmin[SettingRevision]):
    list_display = ["number", "cluster", "author", "door", "time", "kind", "reason", "paths"]
    list_filter = ["cluster", "time"]
    list_select_related = ["cluster"]
    search_fields = ["author", "reason", "source"]
    ordering = ["-time", "-number"]
    change_list_template = "admin/settings_app/revision_list.html"
    change_form_template = "admin/settings_app/revision_form.html"
    instead = {"diff": "changes", "snapshot": "pretty_snapshot"}
    hidden = ("origins",)
    acts = (
        Act(
            name="restore",
            call="setting/revision/restore",
            label=_("Restore"),
            question=_("The settings become what this revision left, as a new revision; secrets stay those of now."),
            form=RestoreInput,
            initial=_newest,
            do=_restore,
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        """Add the page of where the settings of a cluster come from."""
        mine = path("origins/<uuid:cluster_uuid>/", self._guarded(self.origins_view), name=self._name("origins"))
        return [mine, *super().get_urls()]

    def origins_view(self, request: HttpRequest, cluster_uuid: UUID) -> HttpResponse:
        """Show where each setting of a cluster comes from."""
        self.has_view(request)
        cluster = Cluster.objects.filter(pk=cluster_uuid).first()
        if cluster is None:
            raise Http404
        return origins.page(request, cluster)

    def get_queryset(self, request: HttpRequest) -> QuerySet[SettingRevision]:
        """Leave the snapshots in the database until one is asked for: a list shows none."""
        return super().get_queryset(request).defer("snapshot", "origins")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Let a link name one revision of a cluster."""
        return lookup == "number" or super().lookup_allowed(lookup, value, request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show what waits for its confirmation, and lead to where the settings come from."""
        more = {"pending": banners(request), "clusters": self._clusters()}
        return super().changelist_view(request, {**(extra_context or {}), **more})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show what waits for its confirmation."""
        context["pending"] = banners(request, context["original"].cluster_id)
        return super().render_change_form(request, context, *args, **kwargs)

    def _clusters(self) -> list[dict[str, Any]]:
        rows = Cluster.objects.order_by("-default", "name")[:10]
        return [{"label": _label(row), "link": origins.origins_of(row.pk)} for row in rows]

    @admin.display(description=_("changed keys"))
    def paths(self, revision: SettingRevision) -> str:
        """Return the first changed keys."""
        found = [entry["path"] for entry in revision.diff]
        return ", ".join(found[:_PATHS_SHOWN]) + (", …" if len(found) > _PATHS_SHOWN else "")

    @admin.display(description=_("changes"))
    def changes(self, revision: SettingRevision) -> str:
        """Return the difference as a table."""
        return change_table(revision.diff)

    @admin.display(description=_("settings after the change"))
    def pretty_snapshot(self, revision: SettingRevision) -> SafeString:
        """Return all sections as indented JSON."""
        return pretty(revision.snapshot)


def _label(cluster: Cluster) -> str:
    return gettext("Where the settings of %(cluster)s come from") % {"cluster": cluster}
