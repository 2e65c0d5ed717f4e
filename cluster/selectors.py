"""The reads of clusters."""

from __future__ import annotations

import uuid

from .errors import ClusterNotFound
from .models import Cluster


def find(cluster_uuid: uuid.UUID | None) -> Cluster:
    """Return the named cluster, or the default one, or raise ClusterNotFound."""
    rows = Cluster.objects.filter(pk=cluster_uuid) if cluster_uuid else Cluster.objects.filter(default=True)
    found = rows.first()
    if found is None:
        raise ClusterNotFound("cluster_uuid")
    return found
