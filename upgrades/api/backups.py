"""The API door of backups, restores and rollbacks."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from cluster.views import ClusterViewSet
from sysmgr.api.envelope import ok
from sysmgr.api.fields import validated
from sysmgr.api.idempotency import idempotent
from upgrades import backup_care, backup_selectors, backup_services, rollbacks, run_selectors
from upgrades.backup_serializers import BackupInput, BackupNameInput, RestoreInput, RollbackInput
from upgrades.models import UpgradeRun


def started(run: UpgradeRun, wait: bool) -> Response:
    """Answer as endpoint 8: at once, or when the run rests."""
    response = ok(run_selectors.accepted(run))
    if wait:

        def waited() -> Response:
            run_selectors.wait(run)
            return ok(run_selectors.accepted(run))

        response.after_commit = waited  # type: ignore[attr-defined]
    return response


class BackupCareViewSet(ClusterViewSet):
    """`/v1/system/compute/version/...` but the documented two."""

    def inspect(self, request: Any) -> Response:
        """Show one backup."""
        cluster = self.read_cluster(request)
        host_ip, name = self.query(request, "host_ip"), self.query(request, "package_name")
        return ok(backup_selectors.inspect(cluster, host_ip, name))

    @idempotent
    def backup(self, request: Any) -> Response:
        """Start a run that only makes a backup."""
        body = validated(BackupInput, request.data)
        cluster, actor = self.cluster(request, request.data), self.gate(request).actor
        run = backup_services.request_backup(cluster, body["host_ip"], body["service_type"], actor)
        return started(run, body["wait"])

    @idempotent
    def restore(self, request: Any) -> Response:
        """Start a run that brings a backup back."""
        body = validated(RestoreInput, request.data)
        cluster, actor = self.cluster(request, request.data), self.gate(request).actor
        run = backup_services.request_restore(cluster, body["host_ip"], body["package_name"], actor)
        return started(run, body["wait"])

    @idempotent
    def verify(self, request: Any) -> Response:
        """Have the host read a backup whole; it is asked after the commit, for that takes its time."""
        body = validated(BackupNameInput, request.data)
        cluster, actor = self.cluster(request, request.data), self.gate(request).actor
        found = backup_selectors.find(cluster.pk, body["host_ip"], body["package_name"])
        response = Response()

        def verified() -> Response:
            return ok(backup_selectors.shown(backup_care.verify(found, actor)))

        response.after_commit = verified  # type: ignore[attr-defined]
        return response

    @idempotent
    def remove(self, request: Any) -> Response:
        """Give a backup up; its file goes at once where its host can be asked, else as soon as it can be."""
        body = validated(BackupNameInput, request.data)
        cluster, actor = self.cluster(request, request.data), self.gate(request).actor
        given_up = backup_care.give_up(cluster, body["host_ip"], body["package_name"], actor)
        response = ok({})

        def finished() -> Response:
            backup_care.finish(given_up)
            return response

        response.after_commit = finished  # type: ignore[attr-defined]
        return response


class RollbackViewSet(ClusterViewSet):
    """`/v1/system/upgrade/rollback`."""

    @idempotent
    def rollback(self, request: Any) -> Response:
        """Start a run that takes back what a run did; answer as upgrade/inspect of the new one."""
        body = validated(RollbackInput, request.data)
        cluster, actor = self.cluster(request, request.data), self.gate(request).actor
        run = rollbacks.request_rollback(cluster, body["upgrade_uuid"], body.get("list"), actor)
        return ok(run_selectors.inspect(cluster.pk, run.pk))
