"""The admin door of events: what happened, newest first."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from sysmgr.admin import ReadOnlyAdmin, in_chinese, pretty

from .models import Event


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin[Event]):
    list_display = ["time", "severity", "kind", "said"]
    list_filter = ["severity"]
    search_fields = ["kind", "message", "message_cn", "subject"]
    ordering = ["-id"]
    # The stream is long and its order is that of the primary key.
    sortable_by = ()
    instead = {"data": "pretty_data"}

    @admin.display(description=_("message"))
    def said(self, event: Event) -> str:
        """Return the message in the page's language."""
        return event.message_cn if in_chinese() else event.message

    @admin.display(description=_("data"))
    def pretty_data(self, event: Event) -> SafeString:
        """Return the data as indented JSON."""
        return pretty(event.data)
