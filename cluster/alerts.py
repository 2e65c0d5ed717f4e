"""The API door of alerts: those of a cluster together with those of the whole installation."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from rest_framework.response import Response

from sysmgr.api.envelope import ok
from sysmgr.api.fields import StrictSerializer, StrictUUIDField, validated
from sysmgr.api.paging import page_of
from sysmgr.errors import InvalidInput, Problem
from sysmgr.events import alerts, selectors

from .errors import ClusterNotFound
from .views import ClusterViewSet

_STATES = ("", "open", "closed")


class AcknowledgeInput(StrictSerializer):
    """Which alert somebody looks after."""

    alert_uuid = StrictUUIDField()
    cluster_uuid = StrictUUIDField(required=False)


class AlertViewSet(ClusterViewSet):
    """`/v1/system/alert/...`."""

    def list(self, request: Any) -> Response:
        """List alerts, open ones first. Queries: the gate's, count, page."""
        page = page_of(self, request)
        state = request.query_params.get("state", "")
        if state not in _STATES:
            raise InvalidInput([Problem("state", "must be open or closed", "必须是 open 或 closed")])
        named, cluster = self.named_cluster(request), self.gate(request).cluster_uuid
        if cluster is None and named is not None:
            raise ClusterNotFound("cluster_uuid")
        rows = selectors.alerts(cluster, state)
        if page.name:
            found = Q(key__icontains=page.name) | Q(message__icontains=page.name) | Q(message_cn__icontains=page.name)
            rows = rows.filter(found)
        return ok(page.cut(rows, selectors.alert))

    def acknowledge(self, request: Any) -> Response:
        """Note that the caller looks after an alert; answers the alert."""
        body = validated(AcknowledgeInput, request.data)
        named = self.named_cluster(request, request.data)
        return ok(selectors.alert(alerts.acknowledge(body["alert_uuid"], named, self.gate(request).actor)))
