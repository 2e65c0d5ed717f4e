"""What the admin's pages of upgrades read: hosts to choose from, a run's progress. Bounded at any cluster's size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db.models import Prefetch

from cluster.models import SERVICE_ORDER, Host, HostService

from . import bars, run_selectors
from .models import UpgradeItem, UpgradePackage, UpgradeRun
from .trust import fault, with_trust
from .versions import newest_first

HOSTS_SHOWN = 100
ITEMS_SHOWN = 50
# What a person looks for first: what went wrong, then what is under way, then what is done, then what waits.
_PLACES: dict[str, int] = {
    **dict.fromkeys(UpgradeItem.BAD, 0),
    UpgradeItem.State.COMMITTED: 2,
    UpgradeItem.State.PENDING: 3,
    UpgradeItem.State.SKIPPED: 3,
}


def hosts_to_choose(cluster_uuid: UUID, name: str, chosen: Collection[str]) -> dict[str, Any]:
    """Return `{total, left_out, hosts[{host_ip, services[{value, label, chosen}]}]}` of the hosts whose address holds
    `name`; chosen ones are always there. Queries: count, hosts, services (twice with chosen ones)."""
    rows = Host.objects.filter(cluster=cluster_uuid).order_by("host_ip").only("pk", "host_ip")
    managed = HostService.objects.filter(unmanaged=False)
    rows = rows.prefetch_related(Prefetch("services", managed, to_attr="managed"))
    matching = rows.filter(host_ip__icontains=name) if name else rows
    total = matching.count()
    shown = {host.pk: host for host in matching[:HOSTS_SHOWN]}
    addresses = {value.partition(" ")[0] for value in chosen} - {host.host_ip for host in shown.values()}
    if addresses:
        shown |= {host.pk: host for host in rows.filter(host_ip__in=addresses)}
    return {
        "total": total,
        "left_out": max(0, total - HOSTS_SHOWN),
        "hosts": [_host(host, chosen) for host in shown.values()],
    }


def _host(host: Any, chosen: Collection[str]) -> dict[str, Any]:
    services = sorted(host.managed, key=lambda service: SERVICE_ORDER[service.service_type])
    values = [(f"{host.host_ip} {service.service_type}", service) for service in services]
    return {
        "host_ip": host.host_ip,
        "services": [
            {
                "value": value,
                "label": f"{service.get_service_type_display()} {service.version}",
                "chosen": value in chosen,
            }
            for value, service in values
        ],
    }


def usable_versions(cluster_uuid: UUID) -> list[str]:
    """Return the versions of the packages that a new run may use, newest first. One query."""
    packages = newest_first(with_trust(UpgradePackage.objects.filter(cluster=cluster_uuid)))
    return [package.version for package in packages if fault(package) is None]


def progress(run: UpgradeRun) -> dict[str, Any]:
    """Return what `run_selectors.progress` does, and `{percent, counts[(label, number)], items[], left_out}`; each item
    has `percent` and `bad`. Queries: items; of a run that goes on also earlier changes and its pushes."""
    rows = list(UpgradeItem.objects.filter(run=run).order_by("ordinal"))
    told = run_selectors.progress(run, rows)
    counts = Counter(row.state for row in rows)
    items = sorted(rows, key=lambda row: (_PLACES.get(row.state, 1), row.ordinal))[:ITEMS_SHOWN]
    for item in items:
        item.percent, item.bad = _percent(item), item.state in UpgradeItem.BAD  # type: ignore[attr-defined]
    total = told["total"]
    return {
        **told,
        "percent": told["ended"] * 100 // total if total else 0,
        "counts": [(state.label, counts[state]) for state in UpgradeItem.State if counts.get(state)],
        "items": items,
        "left_out": max(0, total - ITEMS_SHOWN),
    }


def _percent(item: UpgradeItem) -> int:
    """Return how far an item is; a push counts by its bytes."""
    place = float(bars.PLACES[UpgradeItem.State(item.state)])
    if item.state == UpgradeItem.State.PUSHING and item.payload_bytes:
        place = min(1.0, item.sent / item.payload_bytes)
    return round(place * 100 / bars.WHOLE)
