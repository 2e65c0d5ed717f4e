"""Passing over one named precheck of one host in one run, with a reason that stays told."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.db import transaction

from cluster.models import Cluster
from sysmgr.audit.services import Actor, record
from sysmgr.errors import InvalidInput, Problem

from . import controls, resting
from .models import UpgradeRun

NOT_IN_RUN = ("is no host of the run", "不是该任务的主机")
State = UpgradeRun.State


@transaction.atomic
def waive(cluster: Cluster, run_uuid: UUID, waiver: Mapping[str, str], actor: Actor) -> UpgradeRun:
    """Add a waiver `{host_ip, check, reason}` to a run that is still to be checked; the same again replaces the
    reason. Raises RunNotFound (404), RunStateWrong (409) or InvalidInput (400: not a host of the run)."""
    run = controls.locked(cluster, run_uuid)
    controls.require(run, "upgrade/waive", State.PENDING, State.PRECHECKING, State.PAUSING, State.PAUSED)
    if not run.items.filter(host_ip=waiver["host_ip"]).exists():
        raise InvalidInput([Problem("host_ip", *NOT_IN_RUN)])
    one = {key: waiver[key] for key in ("host_ip", "check", "reason")}
    others = [
        had for had in run.options.get("waive", []) if (had["host_ip"], had["check"]) != (one["host_ip"], one["check"])
    ]
    resting.move(run, run.state, {"options": {**run.options, "waive": [*others, one]}})
    path = f"options.waive.{one['host_ip']}.{one['check']}"
    record(actor, "upgrade.waive", f"run {run.pk}", changes=[{"path": path, "from": "", "to": one["reason"]}])
    return run
