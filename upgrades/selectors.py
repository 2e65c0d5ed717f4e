"""The reads of packages and backups, each with its number of queries."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from uuid import UUID

from cluster.errors import HostNotFound
from cluster.models import SERVICE_ORDER, Host, HostService

from .errors import NoCurrentPackage
from .models import Backup, PackagePayload, UpgradePackage, UpgradeRun
from .versions import newest_first, upgrades


def five_keys(package: UpgradePackage) -> dict[str, Any]:
    """Return the documented five keys of a package."""
    return {
        "package_name": package.package_name,
        "md5": package.md5,
        "version": package.version,
        "update_time": int(package.update_time.timestamp()),
        "size": package.size,
    }


def package_list(cluster_uuid: UUID) -> dict[str, Any]:
    """Return packages and hosts of a cluster. Queries: packages, payloads, hosts, services."""
    packages = newest_first(
        UpgradePackage.objects.filter(cluster=cluster_uuid).defer("create_time").prefetch_related("payloads")
    )
    hosts = dict(Host.objects.filter(cluster=cluster_uuid).values_list("pk", "host_ip"))
    services: dict[int, dict[str, str]] = defaultdict(dict)
    managed: dict[int, list[tuple[str, str]]] = defaultdict(list)
    rows = HostService.objects.filter(host__cluster=cluster_uuid)
    facts = rows.values_list("host_id", "service_type", "version", "unmanaged")
    for host, service, version, unmanaged in sorted(facts, key=lambda row: SERVICE_ORDER[row[1]]):
        services[host][service] = version
        if not unmanaged:
            managed[host].append((service, version))
    fitting = _Fitting(packages)
    listed = [
        {
            "host_ip": address,
            "type_version": services[pk],
            "upgrade_package_list": fitting.names(tuple(managed[pk])),
        }
        for pk, address in sorted(hosts.items(), key=lambda item: item[1])
    ]
    return {
        "package_list": [_package(package) for package in packages] or None,
        "host_list": [entry["host_ip"] for entry in listed],
        "list": listed,
    }


class _Fitting:
    """Which packages fit a host; hosts that run the same are worked out once."""

    def __init__(self, packages: list[UpgradePackage]) -> None:
        self._packages = [
            (package, {payload.service_type: payload.minimum_version for payload in package.payloads.all()})
            for package in packages
        ]
        self._known: dict[tuple[tuple[str, str], ...], list[str]] = {}

    def names(self, running: tuple[tuple[str, str], ...]) -> list[str]:
        if running not in self._known:
            self._known[running] = [
                package.package_name
                for package, minimum in self._packages
                if any(s in minimum and upgrades(package.version, minimum[s], v) for s, v in running)
            ]
        return self._known[running]


def _package(package: UpgradePackage) -> dict[str, Any]:
    payloads: list[PackagePayload] = sorted(package.payloads.all(), key=lambda p: SERVICE_ORDER[p.service_type])
    return {
        **five_keys(package),
        "sha256": package.sha256,
        "signed_by": package.signed_by,
        "service_types": [payload.service_type for payload in payloads],
        "minimum_version": {payload.service_type: payload.minimum_version for payload in payloads},
        "release_notes": package.release_notes,
    }


def current_package(cluster_uuid: UUID) -> dict[str, Any]:
    """Return the package of the newest run that succeeded, else the one whose version the hosts report; or 404."""
    package = (
        UpgradePackage.objects.filter(
            cluster=cluster_uuid, items__run__state=UpgradeRun.State.SUCCEEDED, items__state="committed"
        )
        .order_by("-items__run__end_time")
        .first()
    )
    if package is None:
        reported = set(HostService.objects.filter(host__cluster=cluster_uuid).values_list("version", flat=True))
        found = newest_first(UpgradePackage.objects.filter(cluster=cluster_uuid, version__in=reported))
        package = found[0] if found else None
    if package is None:
        raise NoCurrentPackage("cluster_uuid")
    return five_keys(package)


def backup_list(cluster_uuid: UUID, host_ip: str) -> dict[str, Any]:
    """Return the complete backups of a host, oldest first, or raise HostNotFound."""
    host = Host.objects.filter(cluster=cluster_uuid, host_ip=host_ip).first()
    if host is None:
        raise HostNotFound("host_ip")
    rows = Backup.objects.filter(host=host, update_time__isnull=False).order_by("update_time", "pk")
    return {
        "list": [
            {
                "package_name": row.package_name,
                "md5": row.md5,
                "version": row.version,
                "update_time": int(row.update_time.timestamp()) if row.update_time else 0,
                "size": row.size,
            }
            for row in rows
        ]
    }
