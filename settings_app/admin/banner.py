"""The banner of a change that waits for its confirmation: on every page of the cluster's settings, and the overview."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import reverse
from django.utils.timezone import localtime
from django.utils.translation import gettext

from settings_app.models import PendingChange
from sysmgr.acts import may

CALL = "setting/confirm"


def banners(request: HttpRequest, cluster_uuid: UUID | None = None) -> list[dict[str, Any]]:
    """Return what waits, for the template `admin/settings_app/banner.html`; of one cluster or of all. Queries: one."""
    rows = PendingChange.objects.filter(deadline__gt=Now()).select_related("cluster").defer("before")
    if cluster_uuid is not None:
        rows = rows.filter(cluster=cluster_uuid)
    allowed = may(request, CALL)
    return [_banner(row, allowed) for row in rows.order_by("deadline")]


def _banner(row: PendingChange, allowed: bool) -> dict[str, Any]:
    text = gettext(
        "Revision %(number)d of the settings of %(cluster)s, by %(author)s, waits for its confirmation: it is taken "
        "back by itself at %(deadline)s. Until then no other change can be made."
    )
    deadline = localtime(row.deadline).strftime("%Y-%m-%d %H:%M:%S %Z")
    facts = {"number": row.revision, "cluster": row.cluster, "author": row.author, "deadline": deadline}
    return {
        "text": text % facts,
        "revision": row.revision,
        "label": gettext("Confirm"),
        "confirm": reverse("admin:settings_app_pendingchange_confirm", args=[row.pk]) if allowed else "",
    }
