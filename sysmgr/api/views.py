"""What every API view shares: the cluster that a call means, and its checked body."""

from __future__ import annotations

import uuid
from typing import Any

from rest_framework.viewsets import ViewSet

from cluster.errors import ClusterNotFound
from cluster.models import Cluster
from sysmgr.errors import AmbiguousCluster, InvalidInput, Problem

from .fields import StrictUUIDField
from .gate import Gate
from .strict_json import check_text

_uuid = StrictUUIDField()


def parse_uuid(text: Any, path: str) -> uuid.UUID:
    """Return the UUID, or raise InvalidInput naming `path`."""
    if isinstance(text, str) and StrictUUIDField._form.fullmatch(text):
        return uuid.UUID(text)
    raise InvalidInput([Problem(path, "must be a UUID in its usual form", "必须是标准格式的 UUID")])


class ApiViewSet(ViewSet):
    """Base of the API's views; they only translate."""

    def gate(self, request: Any) -> Gate:
        """Return what the gate found out."""
        gate: Gate = request._request.gate
        return gate

    def cluster_uuid(self, request: Any, body: dict[str, Any] | None = None) -> uuid.UUID:
        """Return the cluster that the call means without asking the database again, or raise 400 or 404."""
        gate = self.gate(request)
        queried = request.query_params.get("cluster_uuid")
        named = {parse_uuid(queried, "cluster_uuid")} if queried else set()
        if body is not None and "cluster_uuid" in body:
            named.add(parse_uuid(body["cluster_uuid"], "cluster_uuid"))
        if len(named) > 1:
            raise AmbiguousCluster("cluster_uuid")
        wanted = named.pop() if named else gate.default_uuid
        if wanted is None or (queried and gate.cluster_uuid is None):
            raise ClusterNotFound("cluster_uuid")
        return wanted

    def query(self, request: Any, name: str) -> str:
        """Return a query value under the rules of JSON strings, or raise InvalidInput."""
        text: str = request.query_params.get(name, "")
        if not text:
            raise InvalidInput([Problem(name, "is required", "为必填项")])
        check_text(text, name)
        return text

    def cluster(self, request: Any, body: dict[str, Any] | None = None) -> Cluster:
        """Return the cluster that the call means, or raise 400 or 404."""
        found = Cluster.objects.filter(pk=self.cluster_uuid(request, body)).first()
        if found is None:
            raise ClusterNotFound("cluster_uuid")
        return found
