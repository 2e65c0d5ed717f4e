"""The API door of the cluster app: version and members, clusters and hosts; and the two health checks."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from rest_framework.response import Response

from sysmgr.api.envelope import ok, version_ok
from sysmgr.api.fields import validated
from sysmgr.api.idempotency import idempotent
from sysmgr.api.paging import page_of
from sysmgr.api.views import ApiViewSet, query_text
from sysmgr.build import version_line
from sysmgr.errors import InvalidInput, Problem

from . import host_services, selectors, services
from .imports import import_hosts, rows_of_csv
from .members import leader_known, member_list
from .serializers import (
    ClusterInput,
    ClusterNamedInput,
    ClusterUpdateInput,
    HostImportInput,
    HostInput,
    HostNamedInput,
    HostUpdateInput,
)
from .views import ClusterViewSet

_migrated = False


class SystemViewSet(ApiViewSet):
    """`/v1/system/version` and `/v1/system/member/list`."""

    def version(self, request: Any) -> Response:
        """Tell what was built."""
        return version_ok({"version": version_line()})

    def members(self, request: Any) -> Response:
        """Tell who leads and who could."""
        return ok(member_list())


class ClustersViewSet(ClusterViewSet):
    """`/v1/system/cluster/...`."""

    def list(self, request: Any) -> Response:
        """List clusters by name."""
        return ok(selectors.cluster_list(page_of(self, request)))

    def inspect(self, request: Any) -> Response:
        """Show one cluster, with its gate and the probes of its services."""
        return ok(selectors.inspect_cluster(selectors.find(self.read_cluster(request))))

    @idempotent
    def create(self, request: Any) -> Response:
        """Make a cluster."""
        body = validated(ClusterInput, request.data)
        confirmed = body["confirm_lockout"]
        made = services.create_cluster(body["name"], self.gate(request).actor, confirm_lockout=confirmed)
        return ok(selectors.cluster_facts(made))

    @idempotent
    def update(self, request: Any) -> Response:
        """Rename a cluster, make it the default one, or change its gate and its probes.

        The gate is asked before each host of a run, a service's probe before, after and while a host is watched.
        """
        body = validated(ClusterUpdateInput, request.data)
        changed = services.update_cluster(
            self.cluster(request, request.data),
            self.gate(request).actor,
            name=body.get("name"),
            default=body.get("default", False),
            gate=body.get("gate"),
            probes=body.get("probes"),
            confirm_lockout=body["confirm_lockout"],
        )
        return ok(selectors.cluster_facts(changed))

    @idempotent
    def remove(self, request: Any) -> Response:
        """Remove a cluster; it must be named, so that nobody removes the default one by leaving it out."""
        validated(ClusterNamedInput, request.data)
        if self.named_cluster(request, request.data) is None:
            raise InvalidInput([Problem("cluster_uuid", "is required", "为必填项")])
        services.remove_cluster(self.cluster(request, request.data), self.gate(request).actor)
        return ok({})


class HostViewSet(ClusterViewSet):
    """`/v1/system/host/...`."""

    def list(self, request: Any) -> Response:
        """List a cluster's hosts by address."""
        label = query_text(request.query_params.get("label", ""), "label")
        return ok(selectors.host_list(self.read_cluster(request), page_of(self, request), label))

    def inspect(self, request: Any) -> Response:
        """Show one host."""
        return ok(selectors.inspect_host(self.read_cluster(request), self.query(request, "host_ip")))

    @idempotent
    def create(self, request: Any) -> Response:
        """Add a host."""
        body = validated(HostInput, request.data)
        cluster = self.cluster(request, request.data)
        host = host_services.create_host(cluster, body, self.gate(request).actor)
        return ok(selectors.inspect_host(cluster.pk, host.host_ip))

    @idempotent
    def update(self, request: Any) -> Response:
        """Change a host."""
        body = validated(HostUpdateInput, request.data)
        cluster = self.cluster(request, request.data)
        host = host_services.update_host(cluster, body, self.gate(request).actor)
        return ok(selectors.inspect_host(cluster.pk, host.host_ip))

    @idempotent
    def import_(self, request: Any) -> Response:
        """Add or change many hosts, each row as strict as host/create.

        `csv` are the lines of a file: a header of host_ip, transport, root, services, labels, ssh_port, ssh_user,
        ssh_sudo, host_key (services and labels separated by `;`), then a line for each host. A row for a host that is
        there changes what it names. All rows are stored or none, but with `partial`; `dry_run` stores nothing.
        """
        body = validated(HostImportInput, request.data)
        rows = body["list"] if "list" in body else rows_of_csv(body["csv"])
        cluster, how = self.cluster(request, request.data), {key: body[key] for key in ("dry_run", "partial")}
        return ok(import_hosts(cluster, rows, self.gate(request).actor, **how))

    @idempotent
    def remove(self, request: Any) -> Response:
        """Forget a host."""
        body = validated(HostNamedInput, request.data)
        cluster = self.cluster(request, request.data)
        return ok(host_services.remove_host(cluster, body["host_ip"], self.gate(request).actor))


@csrf_exempt
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while the process answers."""
    return JsonResponse({"status": "ok"})


@csrf_exempt
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 once migrated, while the database answers and a leader is known; else 503 with what is missing."""
    missing = _missing()
    return JsonResponse(
        {"status": "waiting", "missing": missing} if missing else {"status": "ready"},
        status=503 if missing else 200,
    )


def _missing() -> str:
    global _migrated
    try:
        if not _migrated:
            executor = MigrationExecutor(connection)
            _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        if not _migrated:
            return "migrations"
        return "" if leader_known() else "leader"
    except DatabaseError:
        return "database"
