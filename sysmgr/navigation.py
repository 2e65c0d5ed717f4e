"""The admin's sidebar: what each page belongs to, and which of them a user may open."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

# Group → its pages in order: models by label, or (title, icon, name of the address).
_GROUPS: tuple[tuple[Any, tuple[tuple[str, str], ...]], ...] = (
    (
        _("Settings"),
        (
            ("settings_app.loginpolicy", "login"),
            ("settings_app.passwordcomplexitypolicy", "password"),
            ("settings_app.multiauthenticationsetting", "verified_user"),
            ("settings_app.accesscontrolpolicy", "shield"),
            ("settings_app.mailsetting", "mail"),
            ("settings_app.snmpsettings", "lan"),
            ("settings_app.frontstylesetting", "palette"),
            ("settings_app.storagesetting", "database"),
            ("settings_app.settingrevision", "history"),
            ("settings_app.pendingchange", "hourglass_top"),
        ),
    ),
    (
        _("Packages and upgrades"),
        (
            ("upgrades.upgradepackage", "package_2"),
            ("upgrades.tusupload", "upload"),
            ("upgrades.trustedkey", "key"),
            ("upgrades.upgraderun", "system_update_alt"),
            ("upgrades.upgradeitem", "checklist"),
            ("upgrades.steplog", "terminal"),
            ("upgrades.hosthold", "lock"),
            ("upgrades.backup", "backup"),
        ),
    ),
    (
        _("Cluster"),
        (
            ("cluster.cluster", "hub"),
            ("cluster.host", "dns"),
            ("cluster.hostservice", "apps"),
            ("cluster.member", "manage_accounts"),
            ("cluster.leaderlease", "flag"),
        ),
    ),
    (
        _("Alerts and mail"),
        (
            ("events.alert", "notifications"),
            ("events.event", "event_note"),
            ("events.cursor", "pin"),
            ("settings_app.outboxmail", "outbox"),
        ),
    ),
    (
        _("Audit and users"),
        (
            ("audit.auditrow", "policy"),
            ("audit.audittally", "pin"),
            ("accounts.user", "group"),
            ("accounts.token", "badge"),
            ("accounts.apikey", "key"),
            ("accounts.loginguard", "lock_clock"),
            ("accounts.passwordlink", "link"),
            ("accounts.secondfactor", "phonelink_lock"),
            ("accounts.recoverycode", "emergency"),
            ("api.idempotencykey", "repeat"),
        ),
    ),
)


def groups(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar's groups with the pages that the user may open; called by the theme."""
    index = reverse("admin:index")
    overview = {"title": _("Overview"), "icon": "home", "link": index, "active": request.path == index}
    factor = reverse("admin:second_factor")
    mine = {"title": _("My second factor"), "icon": "phonelink_lock", "link": factor, "active": request.path == factor}
    found: list[dict[str, Any]] = [{"title": None, "items": [overview, mine]}]
    pages = {model._meta.label_lower: page for model, page in admin.site._registry.items()}
    for title, entries in _GROUPS:
        items = [_item(request, pages[label], icon) for label, icon in entries if label in pages]
        found.append({"title": title, "separator": True, "items": [item for item in items if item]})
    return [group for group in found if group["items"]]


def own_pages(request: HttpRequest) -> list[dict[str, Any]]:
    """Return what the user's menu leads to; called by the theme."""
    return [
        {"title": _("Change password"), "link": reverse("admin:password_change")},
        {"title": _("My second factor"), "link": reverse("admin:second_factor")},
        {"title": _("My log-ins"), "link": reverse("admin:accounts_token_mine")},
        {"title": _("My keys"), "link": reverse("admin:accounts_apikey_mine")},
    ]


def _item(request: HttpRequest, page: Any, icon: str) -> dict[str, Any] | None:
    if not page.has_view_or_change_permission(request):
        return None
    link = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")
    title = capfirst(page.opts.verbose_name_plural)
    return {"title": title, "icon": icon, "link": link, "active": request.path.startswith(link)}


def unlisted() -> list[str]:
    """Return the registered models that no group names; a test keeps it empty."""
    named = {label for _title, entries in _GROUPS for label, _icon in entries}
    return sorted({model._meta.label_lower for model in admin.site._registry} - named)
