"""Taking a host over that another installation or cluster drove: never by accident, and always with a trace."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from django.db import transaction

from cluster.host_services import free
from cluster.models import Cluster, Host
from sysmgr.audit.services import Actor, record
from sysmgr.errors import InvalidInput, Problem, SysmgrError
from sysmgr.events.alerts import Trouble, raise_alert
from sysmgr.events.models import Event
from sysmgr.events.services import emit
from upgrades.backup_hosts import current_term

from . import alerts
from .asking import ask
from .errors import HostIsForeign


def owner_of(cluster: Cluster, host_ip: str) -> str:
    """Return the UUID of the cluster that drives the host, as the host says; "" where it is ours or nobody's.
    Changes nothing there but the script and, of a host that nobody drives yet, the fence: it is ours then. Raises as
    `ask`."""
    with transaction.atomic():
        host = free(cluster, host_ip)
    try:
        asyncio.run(ask(host, current_term(), "fence"))
    except HostIsForeign as error:
        return str(error.params["owner"])
    return ""


def take_over(
    cluster: Cluster, host_ip: str, owner: str, reason: str, actor: Actor, *, force: bool = False
) -> dict[str, Any]:
    """Make our cluster the one that drives the host, instead of `owner`, whom the caller has looked at. Call it in no
    transaction. `force`: although an upgrade of the other one was cut in the middle.

    Raises HostNotFound (404), HostIsHeld or HostIsForeign (409: somebody else owns it), InvalidInput, NoLeader (503),
    HostUnreachable or StepFailed (502). What was tried stands in the audit, whatever came of it.
    """
    try:
        UUID(owner)
    except ValueError:
        raise InvalidInput(
            [Problem("owner", "must be the UUID of the other cluster", "必须是另一集群的 UUID")]
        ) from None
    with transaction.atomic():
        host = free(cluster, host_ip)
    try:
        asyncio.run(ask(host, current_term(), "take_over", "-", "-", owner, *(["force"] if force else [])))
    except SysmgrError as error:
        record(actor, "host.take_over", _named(host), changes=_changes(host, owner, reason), result=error.name()[:16])
        raise
    _tell(host, owner, reason, actor)
    return {"host_ip": host.host_ip, "was": owner, "owner": str(host.cluster_id)}


@transaction.atomic
def _tell(host: Host, owner: str, reason: str, actor: Actor) -> None:
    english = f"{actor.user_name} took the host {host} over from the cluster {owner}: {reason}"
    chinese = f"{actor.user_name} 从集群 {owner} 接管了主机 {host}：{reason}"
    emit(
        "host.taken_over",
        host.cluster_id,
        english,
        chinese,
        cluster_uuid=host.cluster_id,
        severity=Event.Severity.WARNING,
        host_ip=host.host_ip,
    )
    raise_alert(
        f"{alerts.TAKEN_OVER}{host.cluster_id}:{host.host_ip}", Trouble(english, chinese, cluster_uuid=host.cluster_id)
    )
    record(actor, "host.take_over", _named(host), changes=_changes(host, owner, reason))


def _named(host: Host) -> str:
    return f"cluster {host.cluster_id} host {host}"


def _changes(host: Host, owner: str, reason: str) -> list[dict[str, Any]]:
    return [
        {"path": "owner", "from": owner, "to": str(host.cluster_id)},
        {"path": "reason", "from": "", "to": reason},
    ]
