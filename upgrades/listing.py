"""The package list of endpoint 9, rendered once for as long as packages and hosts stay what they are."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from cluster.models import SERVICE_ORDER, Host
from sysmgr.api.envelope import package_list_ok
from sysmgr.api.renderer import EnvelopeRenderer

from .models import UpgradePackage
from .selectors import listed_package
from .trust import fault, with_trust
from .versions import newest_first, upgrades

_CACHED_CLUSTERS = 16
_cache: OrderedDict[UUID, tuple[str, bytes]] = OrderedDict()
_lock = threading.Lock()


def _versions(row: str, rows: str) -> str:
    """Return the SQL of what tells every version of every row: its key and the transaction that wrote it."""
    return f"(SELECT string_agg({row}.id || ' ' || {row}.xmin, ',' ORDER BY {row}.id) FROM {rows})"


# Over all that the list reads. A key ends by the clock alone, so whether it has is part of it.
_FACTS = "SELECT md5(concat_ws(';', {}))".format(
    ", ".join(
        [
            _versions("h", "cluster_host h WHERE h.cluster_id = %(cluster)s"),
            _versions(
                "s",
                "cluster_hostservice s JOIN cluster_host h ON h.id = s.host_id WHERE h.cluster_id = %(cluster)s",
            ),
            _versions("p", "upgrades_upgradepackage p WHERE p.cluster_id = %(cluster)s"),
            _versions(
                "y",
                "upgrades_packagepayload y JOIN upgrades_upgradepackage p ON p.id = y.package_id "
                "WHERE p.cluster_id = %(cluster)s",
            ),
            _versions("k", "upgrades_trustedkey k WHERE coalesce(k.expire_time > %(now)s, true)"),
        ]
    )
)
HostRow = tuple[int, str, str | None, str | None, bool | None]


def rendered(cluster_uuid: UUID) -> bytes:
    """Return the answer of endpoint 9. Queries: version of the rows; when that is new also packages, payloads,
    hosts with their services, and the version once more. On SQLite there is no version, and nothing is kept.
    """
    version = _rows_version(cluster_uuid)
    with _lock:
        key, content = _cache.get(cluster_uuid, ("", b""))
    if version and key == version:
        return content
    packages = UpgradePackage.objects.filter(cluster=cluster_uuid).defer("create_time")
    found = document(newest_first(with_trust(packages).prefetch_related("payloads")), _host_rows(cluster_uuid))
    content = EnvelopeRenderer().render(package_list_ok(found).data)
    # Versions never come back: the same one before and after says that nothing changed in between.
    if version and _rows_version(cluster_uuid) == version:
        with _lock:
            _cache[cluster_uuid] = version, content
            _cache.move_to_end(cluster_uuid)
            while len(_cache) > _CACHED_CLUSTERS:
                _cache.popitem(last=False)
    return content


def _rows_version(cluster_uuid: UUID) -> str:
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        return ""  # inside a transaction one version may have had several contents
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, {"cluster": cluster_uuid, "now": timezone.now()})
        found: str = cursor.fetchone()[0]
    return found


def _host_rows(cluster_uuid: UUID) -> list[HostRow]:
    columns = ("services__service_type", "services__version", "services__unmanaged")
    return list(Host.objects.filter(cluster=cluster_uuid).order_by().values_list("pk", "host_ip", *columns))


def document(packages: Sequence[UpgradePackage], rows: Sequence[HostRow]) -> dict[str, Any]:
    """Return packages and hosts as documented: hosts by address, their services in the documented order."""
    services: dict[str, dict[str, str]] = defaultdict(dict)
    managed: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for _, address, service, version, unmanaged in sorted(rows, key=lambda row: SERVICE_ORDER.get(row[2] or "", 0)):
        known = services[address]
        if service is not None and version is not None:
            known[service] = version
            if not unmanaged:
                managed[address].append((service, version))
    fitting = _Fitting(packages)
    listed = [
        {
            "host_ip": address,
            "type_version": services[address],
            "upgrade_package_list": fitting.names(tuple(managed[address])),
        }
        for address in sorted(services)
    ]
    return {
        "package_list": [listed_package(package) for package in packages] or None,
        "host_list": [entry["host_ip"] for entry in listed],
        "list": listed,
    }


class _Fitting:
    """Which packages fit a host; hosts that run the same are worked out once."""

    def __init__(self, packages: Sequence[UpgradePackage]) -> None:
        self._packages = [
            (package, {payload.service_type: payload.minimum_version for payload in package.payloads.all()})
            for package in packages
            if fault(package) is None
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
