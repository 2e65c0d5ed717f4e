"""The reads of clusters and hosts, each with its number of queries."""

from __future__ import annotations

import uuid
from typing import Any

from sysmgr.api.paging import Page

from . import hooks
from .errors import ClusterNotFound, HostNotFound
from .models import SERVICE_ORDER, Cluster, Host

_SERVICE_KEYS = ("service_type", "version", "unmanaged", "catch_up")


def find(cluster_uuid: uuid.UUID | None) -> Cluster:
    """Return the named cluster, or the default one, or raise ClusterNotFound."""
    rows = Cluster.objects.filter(pk=cluster_uuid) if cluster_uuid else Cluster.objects.filter(default=True)
    found = rows.first()
    if found is None:
        raise ClusterNotFound("cluster_uuid")
    return found


def cluster_facts(cluster: Cluster) -> dict[str, Any]:
    """Return a cluster as the API shows it."""
    return {
        "cluster_uuid": str(cluster.pk),
        "name": cluster.name,
        "default": cluster.default,
        "create_time": int(cluster.create_time.timestamp()),
    }


def inspect_cluster(cluster: Cluster) -> dict[str, Any]:
    """Return a cluster, and how it and its services are asked whether they are well. No query of its own."""
    return {**cluster_facts(cluster), "gate": cluster.gate, "probes": cluster.probes}


def cluster_list(page: Page) -> dict[str, Any]:
    """Return clusters by name. Queries: count, page."""
    rows = Cluster.objects.order_by("name", "pk")
    return page.cut(rows.filter(name__icontains=page.name) if page.name else rows, cluster_facts)


def find_host(cluster_uuid: uuid.UUID, host_ip: str) -> Host:
    """Return a cluster's host, or raise HostNotFound."""
    found = Host.objects.filter(cluster=cluster_uuid, host_ip=host_ip).first()
    if found is None:
        raise HostNotFound("host_ip")
    return found


def host_facts(host: Host, held: dict[int, str]) -> dict[str, Any]:
    """Return a host as the API shows it, its services in the order cloud, compute, storage.

    Keys: host_ip, transport, root, services[{service_type, version, unmanaged, catch_up}], labels, ssh_port,
    ssh_user, ssh_sudo, host_key, maintenance, maintenance_reason, seen_time (None: never), held_by (the run that works
    on it, or ""), create_time.
    """
    services = sorted(host.services.all(), key=lambda service: SERVICE_ORDER[service.service_type])
    return {
        "host_ip": host.host_ip,
        "transport": host.transport,
        "root": host.root,
        "services": [{key: getattr(row, key) for key in _SERVICE_KEYS} for row in services],
        "labels": host.labels,
        "ssh_port": host.ssh_port,
        "ssh_user": host.ssh_user,
        "ssh_sudo": host.ssh_sudo,
        "host_key": host.host_key,
        "maintenance": host.maintenance,
        "maintenance_reason": host.maintenance_reason,
        "seen_time": int(host.seen_time.timestamp()) if host.seen_time else None,
        "held_by": held.get(host.pk, ""),
        "create_time": int(host.create_time.timestamp()),
    }


def inspect_host(cluster_uuid: uuid.UUID, host_ip: str) -> dict[str, Any]:
    """Return one host, or raise HostNotFound. Queries: host, services, hold."""
    host = find_host(cluster_uuid, host_ip)
    return host_facts(host, hooks.held_by([host.pk]))


def host_list(cluster_uuid: uuid.UUID, page: Page, label: str = "") -> dict[str, Any]:
    """Return a cluster's hosts by address, as text, with the manager's public SSH key. Queries: count, page, services,
    holds; with a label one more."""
    rows = Host.objects.filter(cluster=cluster_uuid).order_by("host_ip")
    if page.name:
        rows = rows.filter(host_ip__icontains=page.name)
    if label:
        # SQLite can't look into JSON lists.
        rows = rows.filter(pk__in=[pk for pk, labels in rows.values_list("pk", "labels") if label in labels])
    first = page.number * page.size
    hosts = list(rows.prefetch_related("services")[first : first + page.size])
    held = hooks.held_by([host.pk for host in hosts])
    key = next((tell() for tell in hooks.ssh_public_key), "")
    shown = [host_facts(host, held) for host in hosts]
    return {"total_count": rows.count(), "ssh_public_key": key, "list": shown}
