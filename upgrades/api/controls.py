"""The API door of what an operator asks of a run: plan, pause, resume, cancel, retry."""

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
from upgrades import controls, plans, run_selectors
from upgrades.models import UpgradeRun
from upgrades.serializers import RunInput, UpgradeInput


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
        return self._asked(request, controls.retry)

    def _asked(self, request: Any, call: Callable[[Cluster, UUID, Actor], UpgradeRun]) -> Response:
        body = validated(RunInput, request.data)
        cluster = self.cluster(request, request.data)
        run = call(cluster, body["upgrade_uuid"], self.gate(request).actor)
        return ok(run_selectors.inspected(run))
