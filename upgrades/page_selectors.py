"""What the admin's pages of upgrades read: hosts to choose from, a run's progress. Bounded at any cluster's size."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, IntegerField, Prefetch, Value, When

from cluster.models import SERVICE_ORDER, Host, HostService

from .models import UpgradeItem, UpgradePackage, UpgradeRun
from .trust import fault, with_trust
from .versions import newest_first

HOSTS_SHOWN = 100
ITEMS_SHOWN = 50
# What a person looks for first: what went wrong, then what is under way, then what is done, then what waits.
_WAITING = (UpgradeItem.State.PENDING, UpgradeItem.State.SKIPPED)


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
    """Return `{total, ended, percent, counts[(label, number)], items[], left_out}`. Queries: counts, items."""
    rows = UpgradeItem.objects.filter(run=run)
    counts = dict(rows.order_by().values_list("state").annotate(number=Count("pk")))
    total = sum(counts.values())
    ended = sum(counts.get(state, 0) for state in UpgradeItem.ENDED)
    first = Case(
        When(state__in=UpgradeItem.BAD, then=Value(0)),
        When(state=UpgradeItem.State.COMMITTED, then=Value(2)),
        When(state__in=_WAITING, then=Value(3)),
        default=Value(1),
        output_field=IntegerField(),
    )
    return {
        "total": total,
        "ended": ended,
        "percent": ended * 100 // total if total else 0,
        "counts": [(state.label, counts[state]) for state in UpgradeItem.State if counts.get(state)],
        "items": list(rows.order_by(first, "ordinal")[:ITEMS_SHOWN]),
        "left_out": max(0, total - ITEMS_SHOWN),
    }
