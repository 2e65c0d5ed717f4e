"""A host that knows a higher term than ours: either we lead no more, or our database was brought back from a backup."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from cluster.leader import LostLeadership, step_above
from sysmgr.audit.services import SYSTEM, record
from sysmgr.events.alerts import Trouble, raise_alert
from sysmgr.events.models import Event
from sysmgr.events.services import emit

log = logging.getLogger("sysmgr.engine")
FENCED = 11
OUTDONE = "leader.outdone:"
FARTHEST = 1_000_000  # terms grow by one with each leader: a fence that is farther ahead is damaged or a lie
_OFTEN, _WITHIN = 3, timedelta(hours=1)  # more often: another installation with the same database drives the hosts
_ACTION = "leader.step_above"
_HIGHEST = re.compile(r"(?<= )[0-9]{1,18}\Z")  # whatever else a damaged fence holds is no term


def outdone(term: int, cluster: UUID, host: str, told: str) -> None:
    """React to a host that answered `fenced <highest>` to a call of this term.

    Raises LostLeadership: when another leader is at work, or when this one gave its lease up so that the next term
    is above the host's. Returns only where neither helps (a fence without sense, or one that outdoes us again and
    again): then the host's refusal stands.
    """
    found = _HIGHEST.search(told)
    highest = int(found[0]) if found else 0
    if not term < highest <= term + FARTHEST:
        return
    if Event.objects.filter(kind=_ACTION, time__gt=timezone.now() - _WITHIN).count() >= _OFTEN:
        raise_alert(f"{OUTDONE}{cluster}", _twice(host, highest))
        return
    _go_above(term, highest, cluster, host)
    raise LostLeadership(f"{host} knows the term {highest}, ours is {term}")


@transaction.atomic
def _go_above(term: int, highest: int, cluster: UUID, host: str) -> None:
    if step_above(term, highest):
        _tell(term, highest, cluster, host)


def _tell(term: int, highest: int, cluster: UUID, host: str) -> None:
    log.warning("%s knows the term %d, above ours (%d): going on above it", host, highest, term)
    emit(
        _ACTION,
        cluster,
        f"{host} knows the term {highest}, above {term}: the database is older than the hosts; going on above it",
        f"主机 {host} 记录的任期 {highest} 高于 {term}：数据库早于主机；将以更高的任期继续",
        cluster_uuid=cluster,
        severity=Event.Severity.WARNING,
        host_ip=host,
    )
    record(SYSTEM, _ACTION, f"host {host}", changes=[{"path": "term", "from": term, "to": highest + 1}])


def _twice(host: str, highest: int) -> Trouble:
    return Trouble(
        f"{host} knows the term {highest}, and hosts outdid this manager {_OFTEN} times within an hour: another "
        "installation with a copy of this database seems to drive them. Stop one of the two.",
        f"主机 {host} 记录的任期为 {highest}，一小时内已 {_OFTEN} 次高于本管理器：可能有另一套使用同一数据库副本的"
        "安装正在操作这些主机。请停止其中一套。",
        Event.Severity.ERROR,
    )
