"""The leader's slow sweep: each host that no run holds says what it runs; what others changed there shows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from cluster.errors import HostIsHeld, HostNotFound
from cluster.host_services import free
from cluster.models import Host
from sysmgr import env
from sysmgr.audit.services import SYSTEM, record
from sysmgr.errors import NoLeader, SysmgrError
from sysmgr.events.alerts import Trouble, clear_alert, raise_alert
from sysmgr.events.models import Alert
from sysmgr.events.services import emit
from upgrades.backup_hosts import current_term
from upgrades.engine.fence import FENCED, OUTDONE, outdone
from upgrades.errors import StepFailed
from upgrades.models import HostHold
from upgrades.transports.base import Result

from . import alerts
from .asking import ask
from .errors import HostIsForeign, HostKeyDiffers
from .probing import pinned_fingerprint
from .reading import follow, in_words, known, versions_of

SECONDS = float(env.SWEEP_SECONDS)
AGAIN_SECONDS = 3.0
_AT_ONCE = 32
_SILENT_AFTER = timedelta(seconds=1.5 * SECONDS)  # so one sweep may miss a host
Said = Result | SysmgrError


def sweep() -> None:
    """Ask all hosts that no run holds and whose key is known. Nothing is changed on a host but the script and the
    fence. Queries: hosts, services, holds, term, open alerts, one for the time; then some for each difference."""
    hosts, begun = _askable(), timezone.now()
    with suppress(NoLeader):
        term = current_term()
        said = asyncio.run(_ask_all(hosts, term))
        _react(hosts, said, begun)
        _outdone(hosts, said, term)


def _askable() -> list[Host]:
    held = HostHold.objects.values("host")
    rows = Host.objects.exclude(pk__in=held).select_related("cluster").prefetch_related("services").order_by("pk")
    return [host for host in rows if host.transport == Host.Transport.LOCAL or pinned_fingerprint(host)]


async def _ask_all(hosts: Iterable[Host], term: int) -> dict[int, Said]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(host: Host) -> Said:
        async with gate:
            try:
                answer = await ask(host, term, "inspect")
                if _differs(host, versions_of(answer)):
                    # Somebody may be at work there at this very moment: only what lasts is a drift.
                    await asyncio.sleep(AGAIN_SECONDS)
                    answer = await ask(host, term, "inspect")
                return answer
            except SysmgrError as error:
                return error

    asked = list(hosts)
    answers = await asyncio.gather(*(one(host) for host in asked))
    return {host.pk: answer for host, answer in zip(asked, answers, strict=True)}


def _react(hosts: Iterable[Host], said: dict[int, Said], begun: datetime) -> None:
    """Store what the hosts said, and make the alerts those of what is wrong now."""
    answered = [pk for pk, answer in said.items() if isinstance(answer, Result)]
    # Not now: silent hosts make a sweep long, and one that answered early may have been silent to a run since.
    unheard = Q(seen_time=None) | Q(seen_time__lt=begun)
    Host.objects.filter(unheard, pk__in=answered).update(seen_time=begun)
    troubles: dict[str, Trouble] = {}
    for host in hosts:
        answer = said[host.pk]
        if isinstance(answer, Result):
            versions = versions_of(answer)
            if _differs(host, versions):
                with suppress(HostIsHeld, HostNotFound):  # a run began meanwhile, and will tell; or it is gone
                    _follow(host, versions)
        elif trouble := _trouble(host, answer):
            troubles[f"{trouble[0]}{host.pk}"] = trouble[1]
    _show(troubles, set(said))


def _differs(host: Host, versions: dict[str, str]) -> bool:
    rows = known(host)
    return any(versions.get(service, "") != version for service, version in rows.items()) or any(
        version and service not in rows for service, version in versions.items()
    )


@transaction.atomic
def _follow(host: Host, versions: dict[str, str]) -> None:
    """Make the rows say what the host said, unless they changed since it was asked."""
    locked = free(host.cluster, host.host_ip)
    if known(locked) != known(host):
        return
    drifts = follow(locked, versions)
    english, chinese = in_words(drifts)
    raise_alert(f"{alerts.DRIFT}{host.pk}", alerts.drifted(host, english, chinese))
    emit(
        "host.drift",
        host.cluster_id,
        f"{host} runs something else than sysmgr left there: {english}",
        f"主机 {host} 运行的版本与记录不一致：{chinese}",
        cluster_uuid=host.cluster_id,
        severity="warning",
        host_ip=host.host_ip,
    )
    record(SYSTEM, "host.drift", f"cluster {host.cluster_id} host {host}", changes=[one.change for one in drifts])


def _trouble(host: Host, error: SysmgrError) -> tuple[str, Trouble] | None:
    if isinstance(error, HostKeyDiffers):
        return alerts.KEY, alerts.key_changed(host, str(error.params["reason"]))
    if isinstance(error, HostIsForeign):
        return alerts.FOREIGN, alerts.foreign(host, str(error.params["owner"]))
    if timezone.now() - (host.seen_time or host.create_time) < _SILENT_AFTER:
        return None
    return alerts.SILENT, alerts.silent(host, error.message.format(**error.params))


def _show(troubles: dict[str, Trouble], asked: set[int]) -> None:
    """Open and close alerts of the hosts that were asked; what tells of something that happened, not of what is, stays
    until somebody acknowledged it."""
    living = set(Host.objects.values_list("pk", flat=True))
    ours = Q(key__startswith=alerts.PREFIX) | Q(key__startswith=OUTDONE)
    seen = dict(Alert.objects.filter(ours, close_time=None).values_list("key", "acknowledge_time"))
    for key, acknowledged in seen.items():
        kind, colon, about = key.partition(":")
        over = acknowledged is not None
        if kind + colon in (alerts.KEY, alerts.FOREIGN, alerts.SILENT):
            over = int(about) not in living or (int(about) in asked and key not in troubles)
        elif kind + colon == alerts.DRIFT:
            over |= int(about) not in living
        if over:
            clear_alert(key)
    for key in sorted(troubles.keys() - seen.keys()):
        raise_alert(key, troubles[key])


def _outdone(hosts: Iterable[Host], said: dict[int, Said], term: int) -> None:
    """Go on above a host that knows a higher term, or stop leading: as the engine does. Raises LostLeadership."""
    react = partial(outdone, term)
    for host in hosts:
        error = said[host.pk]
        if isinstance(error, StepFailed) and error.params["code"] == FENCED:
            react(host.cluster_id, host.host_ip, str(error.params["reason"]))
