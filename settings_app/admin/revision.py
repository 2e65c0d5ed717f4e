"""The page of revisions: who changed which settings, from what to what."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from settings_app.models import SettingRevision
from sysmgr.admin import ReadOnlyAdmin, change_table, pretty

_PATHS_SHOWN = 3


@admin.register(SettingRevision)
class SettingRevisionAdmin(ReadOnlyAdmin[SettingRevision]):
    list_display = ["number", "cluster", "author", "door", "time", "reason", "paths"]
    list_filter = ["cluster", "time"]
    list_select_related = ["cluster"]
    search_fields = ["author", "reason", "source"]
    ordering = ["-time", "-number"]
    instead = {"diff": "changes", "snapshot": "pretty_snapshot"}

    def get_queryset(self, request: HttpRequest) -> QuerySet[SettingRevision]:
        """Leave the snapshots in the database until one is asked for: a list shows none."""
        return super().get_queryset(request).defer("snapshot")

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
