"""The page "where settings come from": every key with its value, its default, who set it and where it binds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cluster.models import Cluster
from settings_app.explain import APPLIES_TEXTS, explain_all
from settings_app.models import SettingRevision
from settings_app.sections import SECTIONS
from sysmgr.admin import in_chinese

from .banner import banners

ORIGINS = {
    "default": _("default"),
    "environment": _("environment"),
    "api": "API",
    "admin": _("admin"),
    "command": _("command"),
    "system": _("system"),
    "restore": _("restore"),
    "revert": _("taken back"),
}


def origins_of(cluster_uuid: UUID) -> str:
    """Return the address of the page of a cluster's settings."""
    return reverse("admin:settings_app_settingrevision_origins", args=[cluster_uuid])


def page(request: HttpRequest, cluster: Cluster) -> HttpResponse:
    """Show every setting of the cluster. Queries: those of `explain_all`, what waits."""
    request.current_app = admin.site.name
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in explain_all(cluster):
        groups.setdefault(one["path"].partition(".")[0], []).append(_row(cluster, one))
    heads = [_("Setting"), _("Value"), _("Default"), _("Origin"), _("author"), _("time"), _("revision"), _("In force")]
    context = {
        **admin.site.each_context(request),
        "opts": SettingRevision._meta,
        "title": gettext("Where the settings of %(cluster)s come from") % {"cluster": cluster},
        "heads": [str(head) for head in heads],
        "groups": [
            {"name": name, "title": SECTIONS[name]._meta.verbose_name, "rows": rows} for name, rows in groups.items()
        ],
        "pending": banners(request, cluster.pk),
    }
    return TemplateResponse(request, "admin/settings_app/origins.html", context)


def _row(cluster: Cluster, one: dict[str, Any]) -> dict[str, Any]:
    revisions = reverse("admin:settings_app_settingrevision_changelist")
    return {
        "path": one["path"],
        "key": one["path"].partition(".")[2],
        "enforced": one["enforced"],
        "value": json.dumps(one["value"], ensure_ascii=False),
        "default": json.dumps(one["default"], ensure_ascii=False),
        "changed": one["value"] != one["default"],
        "origin": ORIGINS.get(one["origin"], one["origin"]),
        "author": one["author"],
        "time": datetime.fromtimestamp(one["time"], UTC),
        "revision": one["revision"],
        "link": f"{revisions}?cluster__uuid__exact={cluster.pk}&number={one['revision']}",
        "applies": APPLIES_TEXTS[one["applies"]][in_chinese()],
    }
