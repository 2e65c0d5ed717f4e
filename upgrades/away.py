"""Which services of a cluster are down already, and which hosts managers run on: what a run has to spare."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q

from cluster.members import member_list
from cluster.models import HostService

from .models import UpgradeItem, UpgradeRun
from .ssh_errors import UNHEARD

State = UpgradeItem.State
_PROVEN = (State.COMMITTED, State.ROLLED_BACK)
_HALTED = (UpgradeRun.State.PAUSING, UpgradeRun.State.PAUSED)


def down(cluster: UUID) -> set[tuple[str, str]]:
    """Return the (host, service) that are away whatever a run does: left unproven by any run and not proven since;
    of a host that did not answer a run and was not heard of since; of a host that waits for its reboot in a run
    that pauses, where whatever is at work is counted along; of a host in maintenance. Two queries."""
    proven = UpgradeItem.objects.filter(
        host=OuterRef("host"),
        service_type=OuterRef("service_type"),
        state__in=_PROVEN,
        end_time__gt=OuterRef("end_time"),
    )
    silent = Q(state__in=[State.FAILED, State.SKIPPED], scode__in=UNHEARD) & (
        Q(host__seen_time=None) | Q(host__seen_time__lt=F("end_time"))
    )
    waiting = Q(run__state__in=_HALTED, state__in=UpgradeItem.UNDER_WAY)
    unproven = Q(state=State.INCONSISTENT) | silent
    bad = UpgradeItem.objects.filter(waiting | (~Exists(proven) & unproven), host__cluster=cluster)
    found = set(bad.values_list("host_ip", "service_type"))
    kept_out = HostService.objects.filter(host__cluster=cluster, host__maintenance=True)
    return found | set(kept_out.values_list("host__host_ip", "service_type"))


def managers() -> tuple[str, set[str]]:
    """Return the leader's address ("": nobody leads) and those of all managers. One query, two on PostgreSQL."""
    members = member_list()
    return members["leader"], set(members["candidates"])
