"""The API door of upgrades and backups."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from cluster.views import ClusterViewSet
from sysmgr.api.envelope import ok
from sysmgr.api.fields import validated
from sysmgr.api.idempotency import idempotent
from sysmgr.api.paging import page_of
from sysmgr.api.views import parse_uuid
from sysmgr.errors import InvalidInput, Problem
from upgrades import item_selectors, run_selectors, selectors, services
from upgrades.models import UpgradeRun
from upgrades.serializers import UpgradeInput


class BackupViewSet(ClusterViewSet):
    """`/v1/system/compute/version/...`."""

    def backups(self, request: Any) -> Response:
        """List the backups of one host."""
        return ok(selectors.backup_list(self.read_cluster(request), self.query(request, "host_ip")))

    @idempotent
    def upgrade(self, request: Any) -> Response:
        """Start one run for the whole list, or refuse all of it."""
        body = validated(UpgradeInput, request.data)
        cluster = self.cluster(request, request.data)
        run = services.request_upgrade(cluster, body["list"], body.get("options", {}), self.gate(request).actor)
        response = ok(run_selectors.accepted(run))
        if body["wait"]:

            def waited() -> Response:
                run_selectors.wait(run)
                return ok(run_selectors.accepted(run))

            response.after_commit = waited  # type: ignore[attr-defined]
        return response


class UpgradeViewSet(ClusterViewSet):
    """`/v1/system/upgrade/...`."""

    def inspect(self, request: Any) -> Response:
        """Show a run with its items."""
        run = parse_uuid(request.query_params.get("upgrade_uuid"), "upgrade_uuid")
        return ok(run_selectors.inspect(self.read_cluster(request), run))

    def item(self, request: Any) -> Response:
        """Show one item of a run, with its steps."""
        run = parse_uuid(request.query_params.get("upgrade_uuid"), "upgrade_uuid")
        host, service = self.query(request, "host_ip"), self.query(request, "service_type")
        return ok(item_selectors.inspect(self.read_cluster(request), run, host, service))

    def list(self, request: Any) -> Response:
        """List runs, newest first, of one `state` or of all."""
        state = request.query_params.get("state", "")
        if state and state not in UpgradeRun.State.values:
            states = ", ".join(UpgradeRun.State.values)
            raise InvalidInput([Problem("state", f"must be one of {states}", f"必须是 {states} 之一")])
        return ok(run_selectors.run_list(self.read_cluster(request), page_of(self, request), state))
