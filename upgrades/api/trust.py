"""The API door of the trusted keys; the gate lets administrators only change them."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from cluster.models import Cluster
from cluster.views import ClusterViewSet
from sysmgr.api.envelope import ok
from sysmgr.api.fields import validated
from sysmgr.api.paging import page_of
from upgrades import selectors, trust
from upgrades.package_serializers import TrustAddInput, TrustRemoveInput


class TrustViewSet(ClusterViewSet):
    """`/v1/system/upgrade_package/trust/...`."""

    def list(self, request: Any) -> Response:
        """List the keys that a cluster trusts, those of all clusters among them."""
        return ok(selectors.key_list(self.read_cluster(request), page_of(self, request)))

    def add(self, request: Any) -> Response:
        """Trust a key: in the cluster that is meant, or with `all_clusters` in every one, also those to come."""
        body = validated(TrustAddInput, request.data)
        actor = self.gate(request).actor
        scope = self._scope(request, body)
        key = trust.add(scope, body["name"], body["public_key"], body.get("expire_time"), actor)
        return ok(selectors.key(key))

    def remove(self, request: Any) -> Response:
        """Trust a key no longer, there where it was added."""
        body = validated(TrustRemoveInput, request.data)
        trust.remove(self._scope(request, body), body["fingerprint"], self.gate(request).actor)
        return ok({})

    def _scope(self, request: Any, body: dict[str, Any]) -> Cluster | None:
        return None if body["all_clusters"] else self.cluster(request, request.data)
