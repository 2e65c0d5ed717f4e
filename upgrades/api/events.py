"""The API door of upgrade events: what happened in one run, or in all runs of a cluster, in order."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from cluster.views import ClusterViewSet
from sysmgr.api.envelope import ok
from sysmgr.api.views import parse_uuid
from sysmgr.events.selectors import stream
from upgrades import event_selectors

_MOST_NUMBER = 999_999_999


class UpgradeEventViewSet(ClusterViewSet):
    """`/v1/system/upgrade/event/...`."""

    def list(self, request: Any) -> Response:
        """List events after a number, of one run or of all runs of the cluster."""
        after = self.number(request, "after", 0, 0, _MOST_NUMBER)
        size = self.number(request, "page_size", 100, 1, 1000)
        named = request.query_params.get("upgrade_uuid")
        run = None if named is None else parse_uuid(named, "upgrade_uuid")
        return ok(stream(event_selectors.events(self.read_cluster(request), run), after, size))
