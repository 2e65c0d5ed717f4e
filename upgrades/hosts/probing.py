"""Getting to know a host: its key is pinned only when somebody vouched for it, then it says what it runs."""

from __future__ import annotations

import asyncio
from typing import Any

from django.db import transaction
from django.utils import timezone

from cluster.errors import HostIsHeld
from cluster.host_services import free
from cluster.models import Cluster, Host
from cluster.selectors import inspect_host
from sysmgr.audit.services import Actor, record
from sysmgr.errors import InvalidInput, Problem
from sysmgr.events.alerts import clear_alert, raise_alert
from sysmgr.events.services import emit
from upgrades.backup_hosts import current_term
from upgrades.errors import HostUnreachable
from upgrades.models import HostHold, UpgradeRun
from upgrades.transports.base import Unreachable
from upgrades.transports.host_keys import BadHostKey, fingerprint_of, read_host_key

from . import alerts
from .asking import ask
from .errors import FingerprintDiffers, HostIsForeign, HostKeyDiffers
from .reading import follow, versions_of

_KEY_SECONDS = 10.0


def pinned_fingerprint(host: Host) -> str:
    """Return the fingerprint of the pinned key, "" where none is pinned that can be used."""
    try:
        return fingerprint_of(host.host_key) if host.host_key else ""
    except BadHostKey:
        return ""


def probe(cluster: Cluster, host_ip: str, accept: str, actor: Actor) -> dict[str, Any]:
    """Read the host's key and, where it is pinned or `accept` is its fingerprint, what the host runs. Returns the host,
    `pinned` and `fingerprint`. Call it in no transaction: it takes up to 35 s.

    Raises HostNotFound (404), HostIsHeld, HostKeyDiffers, FingerprintDiffers or HostIsForeign (409), NoLeader (503),
    HostUnreachable or one of its kinds, StepFailed or HostTooSlow (502, 504).
    """
    with transaction.atomic():
        host = free(cluster, host_ip)
    if host.transport == Host.Transport.LOCAL:
        _read(host, actor)
        return _answer(host, True, "")
    fingerprint = pinned_fingerprint(host)
    if not fingerprint:
        key = _shown(host)
        fingerprint = fingerprint_of(key)
        if not accept:
            record(actor, "host.probe", _named(host), result="not pinned")
            return _answer(host, False, fingerprint)
        _refuse_other(host, accept, fingerprint)
        host = _pin(cluster, host, key, actor, "host.pin")
    else:
        _refuse_other(host, accept or fingerprint, fingerprint)
    _read(host, actor)
    return _answer(host, True, fingerprint)


def repin(cluster: Cluster, host_ip: str, fingerprint: str, reason: str, actor: Actor) -> dict[str, Any]:
    """Pin the key that the host shows now, if it has this fingerprint; nothing is run. Answers as `probe`. Raises
    HostNotFound (404), InvalidInput (400: a local host), HostIsHeld or FingerprintDiffers (409), HostUnreachable."""
    with transaction.atomic():
        host = _at_rest(cluster, host_ip)
    if host.transport == Host.Transport.LOCAL:
        raise InvalidInput([Problem("host_ip", "is a local folder, which has no key", "为本地目录，没有主机密钥")])
    key = _shown(host)
    _refuse_other(host, fingerprint, fingerprint_of(key))
    host = _pin(cluster, host, key, actor, "host.repin", reason)
    return _answer(host, True, fingerprint_of(key))


def _at_rest(cluster: Cluster, host_ip: str) -> Host:
    """Return the host, locked, as `free` does; also one that a paused run holds: it may wait for this very key."""
    try:
        return free(cluster, host_ip)
    except HostIsHeld:
        rows = Host.objects.select_for_update(of=("self",), no_key=True).select_related("cluster")
        paused = HostHold.objects.filter(run__state=UpgradeRun.State.PAUSED).values("host")
        host = rows.filter(cluster=cluster, host_ip=host_ip, pk__in=paused).first()
        if host is None:
            raise
        return host


def _shown(host: Host) -> str:
    try:
        return asyncio.run(read_host_key(host.host_ip, host.ssh_port, _KEY_SECONDS))
    except Unreachable as error:
        raise HostUnreachable(host=host.host_ip, reason=str(error)) from None


def _refuse_other(host: Host, given: str, shown: str) -> None:
    if given != shown:
        raise FingerprintDiffers(host=host.host_ip, shown=shown, given=given[:64])


@transaction.atomic
def _pin(cluster: Cluster, seen: Host, key: str, actor: Actor, action: str, reason: str = "") -> Host:
    """Store the key, unless another one was pinned meanwhile; what is so already leaves its audit row only."""
    host = _at_rest(cluster, seen.host_ip)
    before, after = pinned_fingerprint(host), fingerprint_of(key)
    moved = Host.objects.filter(pk=host.pk, host_key=seen.host_key, ssh_port=seen.ssh_port).update(host_key=key)
    if not moved:
        raise FingerprintDiffers(host=host.host_ip, shown=after, given=before)
    host.host_key = key
    clear_alert(f"{alerts.KEY}{host.pk}")
    emit(
        action,
        host.cluster_id,
        f"{actor.user_name} pinned the key {after} of {host}" + (f" in place of {before}: {reason}" if before else ""),
        f"{actor.user_name} 固定了主机 {host} 的密钥 {after}" + (f"（原为 {before}）：{reason}" if before else ""),
        cluster_uuid=host.cluster_id,
        severity="warning" if before else "info",
        host_ip=host.host_ip,
    )
    changes = [{"path": "fingerprint", "from": before, "to": after}]
    if reason:
        changes.append({"path": "reason", "from": "", "to": reason})
    record(actor, action, _named(host), changes=changes)
    return host


def _read(host: Host, actor: Actor) -> None:
    """Ask the host what it runs, and store it; a key or an owner that is not right is an alert too."""
    try:
        result = asyncio.run(ask(host, current_term(), "inspect"))
    except HostKeyDiffers as error:
        raise_alert(f"{alerts.KEY}{host.pk}", alerts.key_changed(host, str(error.params["reason"])))
        record(actor, "host.probe", _named(host), result="key changed")
        raise
    except HostIsForeign as error:
        raise_alert(f"{alerts.FOREIGN}{host.pk}", alerts.foreign(host, str(error.params["owner"])))
        record(actor, "host.probe", _named(host), result="foreign cluster")
        raise
    with transaction.atomic():
        free(host.cluster, host.host_ip)
        drifts = follow(host, versions_of(result))
        Host.objects.filter(pk=host.pk).update(seen_time=timezone.now())
        for kind in (alerts.KEY, alerts.FOREIGN, alerts.SILENT):
            clear_alert(f"{kind}{host.pk}")
        record(actor, "host.probe", _named(host), changes=[one.change for one in drifts])


def _answer(host: Host, pinned: bool, fingerprint: str) -> dict[str, Any]:
    return {**inspect_host(host.cluster_id, host.host_ip), "pinned": pinned, "fingerprint": fingerprint}


def _named(host: Host) -> str:
    return f"cluster {host.cluster_id} host {host}"
