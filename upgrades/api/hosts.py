"""The API door of hosts where the host itself is asked: probe, repin, adopt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rest_framework.response import Response

from cluster.selectors import find_host
from cluster.views import ClusterViewSet
from sysmgr.api.envelope import ok
from sysmgr.api.fields import validated
from sysmgr.api.idempotency import idempotent
from upgrades.hosts import adopting, probing
from upgrades.hosts.serializers import AdoptInput, ProbeInput, RepinInput


def _later(act: Callable[[], dict[str, Any]]) -> Response:
    """Answer with what `act` returns after the commit of the request's own transaction: hosts take their time."""
    response = Response()
    response.after_commit = lambda: ok(act())  # type: ignore[attr-defined]
    return response


class HostCareViewSet(ClusterViewSet):
    """`/v1/system/host/probe`, `repin` and `adopt`."""

    @idempotent
    def probe(self, request: Any) -> Response:
        """Read the host's key; where it is pinned, or accepted by its fingerprint, also what the host runs."""
        body = validated(ProbeInput, request.data)
        cluster, actor = self.cluster(request, request.data), self.gate(request).actor
        find_host(cluster.pk, body["host_ip"])
        return _later(lambda: probing.probe(cluster, body["host_ip"], body["accept_fingerprint"], actor))

    @idempotent
    def repin(self, request: Any) -> Response:
        """Pin the key that the host shows now in place of the old one, if it has this fingerprint."""
        body = validated(RepinInput, request.data)
        cluster, actor = self.cluster(request, request.data), self.gate(request).actor
        find_host(cluster.pk, body["host_ip"])
        return _later(lambda: probing.repin(cluster, body["host_ip"], body["fingerprint"], body["reason"], actor))

    @idempotent
    def adopt(self, request: Any) -> Response:
        """Copy an installation of somebody else's into the layout; a dry run tells how much that would be."""
        body = validated(AdoptInput, request.data)
        cluster, actor = self.cluster(request, request.data), self.gate(request).actor
        find_host(cluster.pk, body["host_ip"])
        return _later(lambda: adopting.adopt(cluster, body, actor))
