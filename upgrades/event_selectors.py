"""Which events of the stream belong to upgrades."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from sysmgr.events.models import Event

from .errors import RunNotFound
from .models import UpgradeRun


def events(cluster_uuid: UUID, run_uuid: UUID | None) -> QuerySet[Event]:
    """Return the events of one run, or of all runs of the cluster; raise RunNotFound. Queries: run, if one is named."""
    runs = UpgradeRun.objects.filter(cluster=cluster_uuid)
    if run_uuid is None:
        return Event.objects.filter(subject__in=runs.values("pk"))
    if not runs.filter(pk=run_uuid).exists():
        raise RunNotFound("upgrade_uuid")
    return Event.objects.filter(subject=run_uuid)
