"""The one writer of hosts: added, changed, removed; never while a run holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from sysmgr.audit.services import Actor, record
from sysmgr.errors import InvalidInput, Problem
from sysmgr.events.services import emit

from . import folders, hooks
from .errors import HostExists, HostIsHeld, HostNotFound
from .models import Cluster, Host, HostService
from .selectors import find_host, host_facts
from .services import locked, one_at_a_time

SSH_KEYS = ("ssh_port", "ssh_user", "ssh_sudo", "host_key")
_NEVER_AUDITED = ("host_ip", "seen_time", "held_by", "create_time")
IMPORTED = ("root", "labels", *SSH_KEYS)
_OWN = (*IMPORTED, "maintenance", "maintenance_reason")


@transaction.atomic
def create_host(wanted: Cluster, values: Mapping[str, Any], actor: Actor) -> Host:
    """Add a host. `values` as `HostInput` lets them pass. A local one is asked at once what it runs; of one over
    SSH nobody knows yet, so its services are unmanaged, without a version."""
    one_at_a_time()
    cluster = locked(wanted.pk)
    if Host.objects.filter(cluster=cluster, host_ip=values["host_ip"]).exists():
        raise HostExists("host_ip", host=values["host_ip"])
    host = Host(cluster=cluster, host_ip=values["host_ip"], transport=values["transport"])
    assign(host, values, folders.Taken())
    host.save(force_insert=True)
    _set_services(host, values["services"])
    emit(
        "host.created",
        cluster.pk,
        f"{actor.user_name} added the host {host} to {cluster}",
        f"{actor.user_name} 向 {cluster} 添加了主机 {host}",
        cluster_uuid=cluster.pk,
        host_ip=host.host_ip,
    )
    changes = _difference({}, _audited(host))
    record(actor, "host.create", f"cluster {cluster.pk} host {host}", changes=changes)
    return host


@transaction.atomic
def update_host(wanted: Cluster, values: Mapping[str, Any], actor: Actor) -> Host:
    """Change a host; `services` or `root` of a local one also ask it again what it runs. Nothing that differs:
    no trace. Raises HostIsHeld while a run works on it."""
    one_at_a_time()
    host = free(wanted, values["host_ip"])
    before = _audited(host)
    assign(host, values, folders.Taken())
    host.save(update_fields=_OWN)
    if "services" in values or before["root"] != host.root:
        _set_services(host, values.get("services") or [service["service_type"] for service in before["services"]])
    changes = _difference(before, _audited(host))
    if not changes:
        return host
    paths = ", ".join(entry["path"] for entry in changes)
    emit(
        "host.updated",
        host.cluster_id,
        f"{actor.user_name} changed the host {host} of {host.cluster}: {paths}",
        f"{actor.user_name} 修改了 {host.cluster} 的主机 {host}：{paths}",
        cluster_uuid=host.cluster_id,
        host_ip=host.host_ip,
    )
    record(actor, "host.update", f"cluster {host.cluster_id} host {host}", changes=changes)
    return host


@transaction.atomic
def remove_host(wanted: Cluster, host_ip: str, actor: Actor) -> dict[str, Any]:
    """Forget a host and its backups' rows; its files stay, and what runs did to it stays told. Returns the answer:
    `{host_ip, forgotten_backups}`. Raises HostIsHeld while a run works on it."""
    gone: dict[str, int] = {}
    for removing in hooks.host_removing:
        gone |= removing(find_host(wanted.pk, host_ip))  # what it locks comes before the host, as where runs begin
    host = free(wanted, host_ip)
    before = _audited(host)
    host.delete()
    told = "".join(f", {key} {count}" for key, count in gone.items())
    emit(
        "host.removed",
        host.cluster_id,
        f"{actor.user_name} removed the host {host} from {host.cluster}{told}; its files stay where they are",
        f"{actor.user_name} 从 {host.cluster} 移除了主机 {host}{told}；主机上的文件保留",
        cluster_uuid=host.cluster_id,
        severity="warning",
        host_ip=host.host_ip,
        **gone,
    )
    changes = _difference(before, {}) + [{"path": key, "from": count, "to": 0} for key, count in gone.items()]
    record(actor, "host.remove", f"cluster {host.cluster_id} host {host}", changes=changes)
    return {"host_ip": host.host_ip, **gone}


def free(cluster: Cluster, host_ip: str) -> Host:
    """Return the host, locked to the end of the transaction: no run can take it meanwhile. Raises HostIsHeld."""
    rows = Host.objects.select_for_update(of=("self",), no_key=True).select_related("cluster")
    host = rows.filter(cluster=cluster, host_ip=host_ip).first()
    if host is None:
        raise HostNotFound("host_ip")
    run = hooks.held_by([host.pk]).get(host.pk)
    if run:
        raise HostIsHeld("host_ip", host=host_ip, run=run)
    return host


def assign(host: Host, values: Mapping[str, Any], taken: folders.Taken) -> None:
    """Put checked values on the row; raise InvalidInput, HostRootRefused or HostRootTaken."""
    local = host.transport == Host.Transport.LOCAL
    strange = [key for key in SSH_KEYS if local and key in values]
    if strange:
        raise InvalidInput(Problem(key, "is for hosts over SSH", "仅用于 SSH 主机") for key in strange)
    before = host.root
    for name in _OWN:
        if name in values and name != "root":
            setattr(host, name, values[name])
    _maintain(host, values)
    if "root" in values and local:
        root = folders.local_root(values["root"])
        taken.move(before, root, host.host_ip, host.cluster.name)
        host.root = root
    elif "root" in values:
        host.root = folders.remote_root(values["root"])


def _maintain(host: Host, values: Mapping[str, Any]) -> None:
    """Hold the one rule: in maintenance with a reason, or neither."""
    if values.get("maintenance") is False and "maintenance_reason" not in values:
        host.maintenance_reason = ""
    if host.maintenance and not host.maintenance_reason.strip():
        raise InvalidInput([Problem("maintenance_reason", "is required in maintenance", "维护状态必须说明原因")])
    if host.maintenance_reason and not host.maintenance:
        raise InvalidInput([Problem("maintenance_reason", "is for hosts in maintenance", "仅用于维护中的主机")])


def _set_services(host: Host, wanted: Sequence[str]) -> None:
    """Write what the host runs; a service that is not laid out as ours is unmanaged and has no version."""
    host.services.exclude(service_type__in=wanted).delete()
    for service in wanted:
        if host.transport == Host.Transport.LOCAL:
            version, unmanaged = version_facts(host, service)
            facts = {"version": version, "unmanaged": unmanaged}
            HostService.objects.update_or_create(host=host, service_type=service, defaults=facts)
        else:
            HostService.objects.get_or_create(host=host, service_type=service, defaults={"unmanaged": True})


def version_facts(host: Host, service: str) -> tuple[str, bool]:
    """Return version and `unmanaged` of a service that nobody asked the host about yet; a local one is asked now."""
    version = folders.running_version(host.root, service) if host.transport == Host.Transport.LOCAL else ""
    return version, not version


def _audited(host: Host) -> dict[str, Any]:
    facts = host_facts(Host.objects.get(pk=host.pk), {})
    return {key: value for key, value in facts.items() if key not in _NEVER_AUDITED}


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"path": key, "from": before.get(key), "to": after.get(key)}
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]
