"""What the API views of clusters' things share: the cluster that a call means, and checked query values."""

from __future__ import annotations

import uuid
from typing import Any

from sysmgr.api.views import ApiViewSet, parse_uuid
from sysmgr.errors import AmbiguousCluster

from . import selectors
from .errors import ClusterNotFound
from .models import Cluster


class ClusterViewSet(ApiViewSet):
    """Base of views whose calls take `cluster_uuid`."""

    def named_cluster(self, request: Any, body: dict[str, Any] | None = None) -> uuid.UUID | None:
        """Return the cluster that query or body name, None when neither does; raise 400 when they differ."""
        named = {parse_uuid(text, "cluster_uuid") for text in request.query_params.getlist("cluster_uuid")}
        if body is not None and "cluster_uuid" in body:
            named.add(parse_uuid(body["cluster_uuid"], "cluster_uuid"))
        if len(named) > 1:
            raise AmbiguousCluster("cluster_uuid")
        return named.pop() if named else None

    def read_cluster(self, request: Any) -> uuid.UUID:
        """Return the cluster that a read means; the gate has looked it up already, so this costs no query."""
        self.named_cluster(request)
        found = self.gate(request).cluster_uuid
        if found is None:
            raise ClusterNotFound("cluster_uuid")
        return found

    def cluster(self, request: Any, body: dict[str, Any] | None = None) -> Cluster:
        """Return the cluster that a write means, or raise 400 or 404."""
        return selectors.find(self.named_cluster(request, body))
