"""The API door of what an operator asks of a run: plan, pause, resume, cancel, retry, skip, waive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from rest_framework.response import Response

from cluster.models import Cluster
from cluster.views import ClusterViewSet
from sysmgr.api.envelope import ok
from sysmgr.api.fields import validated
from sysmgr.api.idempotency import idempotent
from sysmgr.audit.services import Actor
from upgrades import controls, plans, run_selectors, skipping, waivers
from upgrades.models import UpgradeRun
from upgrades.serializers import RetryInput, RunInput, SkipInput, UpgradeInput, WaiveInput


class ControlViewSet(ClusterViewSet):
    """`/v1/system/upgrade/...`: each answers the run as `upgrade/inspect` shows it, `plan` the plan."""

    @idempotent
    def plan(self, request: Any) -> Response:
        """Show what an upgrade would do; nothing is run."""
        body = validated(UpgradeInput, request.data)
        return ok(plans.plan(self.cluster(request, request.data), body["list"], body.get("options", {})))

    @idempotent
    def pause(self, request: Any) -> Response:
        """Let a run rest."""
        return self._asked(request, controls.pause)

    @idempotent
    def resume(self, request: Any) -> Response:
        """Let a paused run go on."""
        return self._asked(request, controls.resume)

    @idempotent
    def cancel(self, request: Any) -> Response:
        """End a run early."""
        return self._asked(request, controls.cancel)

    @idempotent
    def retry(self, request: Any) -> Response:
        """Try again what failed or was skipped."""
        body = validated(RetryInput, request.data)
        cluster, actor = self.cluster(request, request.data), self.gate(request).actor
        return self._told(controls.retry(cluster, body["upgrade_uuid"], actor, force=body["force"]))

    @idempotent
    def skip(self, request: Any) -> Response:
        """Leave a host out of a run that waits for it."""
        body = validated(SkipInput, request.data)
        cluster, actor = self.cluster(request, request.data), self.gate(request).actor
        return self._told(skipping.skip(cluster, body["upgrade_uuid"], body["host_ip"], body["reason"], actor))

    @idempotent
    def waive(self, request: Any) -> Response:
        """Pass over one named precheck of one host in one run."""
        body = validated(WaiveInput, request.data)
        cluster, actor = self.cluster(request, request.data), self.gate(request).actor
        return self._told(waivers.waive(cluster, body["upgrade_uuid"], body, actor))

    def _asked(self, request: Any, call: Callable[[Cluster, UUID, Actor], UpgradeRun]) -> Response:
        body = validated(RunInput, request.data)
        cluster = self.cluster(request, request.data)
        run = call(cluster, body["upgrade_uuid"], self.gate(request).actor)
        return self._told(run)

    def _told(self, run: UpgradeRun) -> Response:
        return ok(run_selectors.inspected(run))
