"""The reads of packages and backups, each with its number of queries."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from cluster.errors import HostNotFound
from cluster.models import SERVICE_ORDER, Host, HostService
from sysmgr.api.paging import Page
from sysmgr.api.strict_json import printable

from .backup_selectors import kept
from .errors import NoCurrentPackage, PackageNotFound
from .models import PackagePayload, TrustedKey, UpgradeItem, UpgradePackage, UpgradeRun
from .trust import fault, with_trust
from .versions import newest_first


def five_keys(package: UpgradePackage) -> dict[str, Any]:
    """Return the documented five keys of a package."""
    return {
        "package_name": package.package_name,
        "md5": package.md5,
        "version": package.version,
        "update_time": int(package.update_time.timestamp()),
        "size": package.size,
    }


def listed_package(package: UpgradePackage) -> dict[str, Any]:
    """Return a package as the list shows it: the ten documented keys."""
    payloads = _payloads(package)
    return {
        **five_keys(package),
        "sha256": package.sha256,
        "signed_by": package.signed_by,
        "service_types": [payload.service_type for payload in payloads],
        "minimum_version": {payload.service_type: payload.minimum_version for payload in payloads},
        "release_notes": package.release_notes,
    }


def _payloads(package: UpgradePackage) -> list[PackagePayload]:
    return sorted(package.payloads.all(), key=lambda payload: SERVICE_ORDER[payload.service_type])


def find_package(cluster_uuid: UUID, name: str) -> UpgradePackage:
    """Return a package of a cluster, or raise PackageNotFound. Queries: package, payloads."""
    rows = UpgradePackage.objects.filter(cluster=cluster_uuid, package_name=name)
    package = with_trust(rows).prefetch_related("payloads").first()
    if package is None:
        raise PackageNotFound("package_name", name=printable(name)[:64])
    return package


def inspect_package(cluster_uuid: UUID, name: str) -> dict[str, Any]:
    """Return all that is known of a package, or raise PackageNotFound. Queries: package, payloads."""
    return inspected(find_package(cluster_uuid, name))


def inspected(package: UpgradePackage) -> dict[str, Any]:
    """Return the keys of the list, then whether new runs may use it, withdrawal, signer, intake, payloads."""
    why = fault(package)
    payload_keys = ("service_type", "minimum_version", "files", "size")
    withdrawn = package.withdrawn_time
    return {
        **listed_package(package),
        "usable": why is None,
        "unusable_reason": why.english if why else "",
        "unusable_reason_cn": why.chinese if why else "",
        "withdrawn": withdrawn is not None,
        "withdrawn_time": int(withdrawn.timestamp()) if withdrawn else None,
        "withdrawn_reason": package.withdrawn_reason,
        "fingerprint": package.fingerprint,
        "create_time": int(package.create_time.timestamp()),
        "payloads": [{key: getattr(payload, key) for key in payload_keys} for payload in _payloads(package)],
    }


def key_list(cluster_uuid: UUID, page: Page) -> dict[str, Any]:
    """Return the keys that a cluster trusts, by name; expired ones too. Queries: count, page."""
    rows = TrustedKey.objects.filter(Q(cluster=cluster_uuid) | Q(cluster=None), name__icontains=page.name)
    return page.cut(rows.order_by("name", "pk"), key)


def key(row: TrustedKey) -> dict[str, Any]:
    """Return a trusted key; `cluster_uuid` is null for one of all clusters."""
    ends = row.expire_time
    return {
        "name": row.name,
        "fingerprint": row.fingerprint,
        "public_key": row.public_key,
        "cluster_uuid": str(row.cluster_id) if row.cluster_id else None,
        "expire_time": int(ends.timestamp()) if ends else None,
        "expired": ends is not None and ends <= timezone.now(),
        "create_time": int(row.create_time.timestamp()),
    }


def current_package(cluster_uuid: UUID) -> dict[str, Any]:
    """Return the package of the newest run that succeeded and was not taken back as a whole, else the one whose
    version the hosts report; or raise NoCurrentPackage. Queries: package; without one: versions, packages."""
    # Restores and backups bring no package. A rollback counts for each service that it brought back, unless it was
    # itself taken back.
    back = _committed(UpgradeRun.Kind.ROLLBACK, run__origin=OuterRef("run"))
    again = _committed(UpgradeRun.Kind.ROLLBACK, run__origin=OuterRef("run"))
    newest = (
        _committed(UpgradeRun.Kind.UPGRADE, ours=False)
        .filter(run__state=UpgradeRun.State.SUCCEEDED, run__cluster=cluster_uuid, package__isnull=False)
        .exclude(Exists(back.exclude(Exists(again))))
        .order_by("-run__end_time", "-run__create_time")
        .select_related("package")
        .first()
    )
    package = newest.package if newest else None
    if package is None:
        reported = set(HostService.objects.filter(host__cluster=cluster_uuid).values_list("version", flat=True))
        found = newest_first(UpgradePackage.objects.filter(cluster=cluster_uuid, version__in=reported))
        package = found[0] if found else None
    if package is None:
        raise NoCurrentPackage("cluster_uuid")
    return five_keys(package)


def _committed(kind: str, *, ours: bool = True, **more: Any) -> QuerySet[UpgradeItem]:
    """Return the committed items of runs of a kind; `ours`: those of the outer item's service."""
    same = {"host_ip": OuterRef("host_ip"), "service_type": OuterRef("service_type")} if ours else {}
    return UpgradeItem.objects.filter(run__kind=kind, state=UpgradeItem.State.COMMITTED, **same, **more)


def backup_list(cluster_uuid: UUID, host_ip: str) -> dict[str, Any]:
    """Return the complete backups of a host, oldest first, or raise HostNotFound."""
    host = Host.objects.filter(cluster=cluster_uuid, host_ip=host_ip).first()
    if host is None:
        raise HostNotFound("host_ip")
    rows = kept().filter(host=host).order_by("update_time", "pk")
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


def backups_of(cluster_uuid: UUID, *, host_ip: str = "", service_type: str = "") -> list[dict[str, Any]]:
    """Return the complete backups of a cluster's hosts, oldest first on each, or raise HostNotFound. Queries: two."""
    if host_ip and not Host.objects.filter(cluster=cluster_uuid, host_ip=host_ip).exists():
        raise HostNotFound("host_ip")
    rows = kept().filter(host__cluster=cluster_uuid).select_related("host")
    rows = rows.filter(host__host_ip=host_ip) if host_ip else rows
    rows = rows.filter(service_type=service_type) if service_type else rows
    return [
        {
            "host_ip": row.host.host_ip,
            "service_type": row.service_type,
            "package_name": row.package_name,
            "version": row.version,
            "sha256": row.sha256,
            "update_time": int(row.update_time.timestamp()) if row.update_time else 0,
            "size": row.size,
        }
        for row in rows.order_by("host__host_ip", "update_time", "pk")
    ]
