"""The admin door of events and alerts: what happened, newest first, and what is wrong until it is closed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from sysmgr.acts import Act, ActingAdmin
from sysmgr.admin import ReadOnlyAdmin, actor_of, in_chinese, pretty

from .alerts import acknowledge
from .models import Alert, Cursor, Event


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin[Event]):
    """The stream; `?subject=<uuid>` shows what belongs to one run."""

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


@admin.register(Cursor)
class CursorAdmin(ReadOnlyAdmin[Cursor]):
    list_display = ["name", "number"]
    ordering = ["name"]


class _Closed(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("open")), ("closed", _("closed"))]

    def queryset(self, request: Any, queryset: Any) -> Any:
        if self.value() in ("open", "closed"):
            return queryset.filter(close_time__isnull=self.value() == "open")
        return queryset


def _acknowledge(request: HttpRequest, alert: Alert, given: Mapping[str, Any]) -> None:
    acknowledge(alert.pk, None, actor_of(request))


@admin.register(Alert)
class AlertAdmin(ActingAdmin[Alert]):
    list_display = ["open_time", "severity", "said", "count", "last_time", "close_time", "acknowledge_by"]
    list_filter = [_Closed, "severity"]
    search_fields = ["key", "message", "message_cn"]
    ordering = ["-open_time"]
    acts = (
        Act(
            name="acknowledge",
            call="alert/acknowledge",
            label=_("Acknowledge"),
            question=_("Others will see that you look after it. The alert stays open until its cause is gone."),
            done=_("The alert is acknowledged."),
            do=_acknowledge,
            offered=lambda alert: alert.acknowledge_time is None,
        ),
    )

    @admin.display(description=_("message"))
    def said(self, alert: Alert) -> str:
        """Return the message in the page's language."""
        return alert.message_cn if in_chinese() else alert.message
