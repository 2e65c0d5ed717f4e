"""The admin door of the audit: who did what, newest first."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from sysmgr.admin import ReadOnlyAdmin, change_table, values_filter

from .models import AuditRow, AuditTally


@admin.register(AuditRow)
class AuditRowAdmin(ReadOnlyAdmin[AuditRow]):
    list_display = ["seq", "time", "user_name", "door", "source", "action", "object", "result"]
    list_filter = [
        values_filter("result", _("result"), ["success", "refused", "failed"]),
        values_filter("door", _("door"), ["api", "admin", "link", "command", "system"]),
    ]
    search_fields = ["user_name", "action", "object", "source", "request_id"]
    ordering = ["-seq"]
    # Only the primary key has an index; sorting a long record by anything else would read all of it.
    sortable_by = ["seq"]
    instead = {"changes": "change_list"}

    @admin.display(description=_("changes"))
    def change_list(self, row: AuditRow) -> str:
        """Return the changes as a table."""
        return change_table(row.changes)


@admin.register(AuditTally)
class AuditTallyAdmin(ReadOnlyAdmin[AuditTally]):
    list_display = ["action", "object", "user_name", "source", "door", "count", "row_time"]
    search_fields = ["user_name", "action", "object", "source"]
    ordering = ["-row_time"]
    hidden = ("key",)
