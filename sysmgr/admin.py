"""What the admin's pages share: the read-only base, readable JSON, who acts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, ClassVar, TypeVar

import django.contrib.auth.admin  # noqa: F401  registers what is taken away below, whichever app comes first
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext

from sysmgr.api.gate import client_address
from sysmgr.audit.services import Actor
from sysmgr.theme import ModelAdmin, TabularInline

ModelT = TypeVar("ModelT", bound=Model)

# Permissions follow from the role; a group would promise something that nobody reads.
import_module("django.contrib.auth.admin")  # registers it, if that did not happen yet
admin.site.unregister(Group)


def actor_of(request: HttpRequest) -> Actor:
    """Return who acts through the admin, for revisions, events and audit."""
    token = getattr(request, "login_token", None)
    return Actor(
        request.user.get_username(),
        "admin",
        client_address(request),
        getattr(request, "request_id", ""),
        user_uuid=request.user.pk,
        token_uuid=token.pk if token else None,
    )


def in_chinese() -> bool:
    """Tell whether the page is shown in Chinese; its stored texts come in both languages."""
    return (get_language() or "").startswith("zh")


def pretty(value: Any) -> SafeString:
    """Return a JSON value as indented text."""
    return format_html("<pre>{}</pre>", json.dumps(value, ensure_ascii=False, indent=2))


def change_table(entries: Iterable[Mapping[str, Any]]) -> SafeString | str:
    """Return [{path, from, to}] as a table with a row for each path."""
    rows = [(entry.get("path", ""), _said(entry.get("from")), _said(entry.get("to"))) for entry in entries]
    if not rows:
        return "-"
    head = format_html(
        '<tr class="text-left"><th class="pr-4">{}</th><th class="pr-4">{}</th><th>{}</th></tr>',
        gettext("Setting"),
        gettext("Before"),
        gettext("After"),
    )
    body = format_html_join(
        "", '<tr><td class="pr-4"><code>{}</code></td><td class="pr-4">{}</td><td>{}</td></tr>', rows
    )
    return format_html("<table>{}{}</table>", head, body)


def _said(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def values_filter(field: str, label: Any, values: Iterable[str]) -> type[admin.SimpleListFilter]:
    """Return a filter over known values; Django's own would read the whole table to find them."""
    known = [(value, value) for value in values]

    class ValuesFilter(admin.SimpleListFilter):
        title = label
        parameter_name = field

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return known

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            return queryset.filter(**{field: self.value()}) if self.value() in dict(known) else queryset

    return ValuesFilter


class ReadOnlyAdmin(ModelAdmin[ModelT]):
    """Shows rows and changes none: whatever changes them has a service, and a door that calls it."""

    actions = None
    list_per_page = 50
    show_full_result_count = False
    change_form_template: ClassVar[str | None] = "admin/read_only_form.html"
    # Columns that no page shows, and methods that are shown in a column's place.
    hidden: ClassVar[tuple[str, ...]] = ()
    instead: ClassVar[Mapping[str, str]] = {}

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody changes here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody deletes here."""
        return False

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Show every column but the hidden ones, those that forms leave out included."""
        names = [field.name for field in self.opts.concrete_fields if field.name not in self.hidden]
        return [self.instead.get(name, name) for name in names]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Let no field become an input."""
        return self.get_fields(request, obj)


class ReadOnlyInline(TabularInline[Any, Any]):
    """Rows that belong to the shown one, in its page."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody adds here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody changes here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody deletes here."""
        return False
