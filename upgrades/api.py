"""The API door of packages and backups."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from cluster.errors import ClusterNotFound
from sysmgr.api.envelope import ok, package_list_ok
from sysmgr.api.views import ApiViewSet
from sysmgr.errors import InvalidInput, Problem

from . import selectors


class PackageViewSet(ApiViewSet):
    """`/v1/system/upgrade_package/...`."""

    def list(self, request: Any) -> Response:
        """Show packages and what each host runs and could run."""
        return package_list_ok(selectors.package_list(self.known_cluster(request)))

    def current(self, request: Any) -> Response:
        """Show the package that the cluster runs."""
        return ok(selectors.current_package(self.known_cluster(request)))

    def known_cluster(self, request: Any) -> Any:
        """Return the cluster; the gate has looked it up already."""
        found = self.cluster_uuid(request)
        if self.gate(request).cluster_uuid != found:
            raise ClusterNotFound("cluster_uuid")
        return found


class BackupViewSet(PackageViewSet):
    """`/v1/system/compute/version/...`."""

    def backups(self, request: Any) -> Response:
        """List the backups of one host."""
        host_ip = request.query_params.get("host_ip")
        if not host_ip:
            raise InvalidInput([Problem("host_ip", "is required", "为必填项")])
        return ok(selectors.backup_list(self.known_cluster(request), host_ip))
