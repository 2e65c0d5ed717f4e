"""Accepting upgrades: the whole list or nothing (contract §4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction

from cluster.members import leader_known
from cluster.models import Cluster, Host
from sysmgr.audit.services import Actor, record
from sysmgr.errors import NoLeader
from sysmgr.events.services import emit

from .choosing import Choice, choose, refuse_held
from .errors import PlanChanged
from .holding import hold
from .models import UpgradeItem, UpgradePackage, UpgradeRun
from .plans import fingerprint
from .trust import fault, with_trust

RETRY_SECONDS = 5


class _PackageGone(Exception):
    """A chosen package was removed or became unusable between our look and our lock."""


def request_upgrade(
    cluster: Cluster, wanted: Sequence[Mapping[str, str]], options: Mapping[str, Any], actor: Actor
) -> UpgradeRun:
    """Make one run for the whole list; raise UpgradeRefused (400), HostHeld or PlanChanged (409) or NoLeader (503),
    and then nothing is made: a run that nobody drives would hold its hosts."""
    try:
        try:
            return _request(cluster, wanted, options, actor)
        except _PackageGone:
            return _request(cluster, wanted, options, actor)
    except IntegrityError:
        # Between our look and our insert another request took a host, or it was removed; now that can be seen.
        refuse_held(wanted, {host.host_ip: host for host in Host.objects.filter(cluster=cluster)})
        return _request(cluster, wanted, options, actor)


@transaction.atomic
def _request(
    cluster: Cluster, wanted: Sequence[Mapping[str, str]], options: Mapping[str, Any], actor: Actor
) -> UpgradeRun:
    chosen = choose(cluster, wanted, options)
    planned = options.get("plan_fingerprint", "")
    if planned and planned != fingerprint(cluster, chosen, options):
        raise PlanChanged("options.plan_fingerprint")
    if not leader_known():
        raise NoLeader(retry_after=RETRY_SECONDS)
    _keep({choice.package.pk for choice in chosen})
    return _create(cluster, chosen, options, actor)


def _keep(packages: set[int]) -> None:
    """Lock the packages to the commit; one that was removed or became unusable since our look: look anew."""
    rows = with_trust(UpgradePackage.objects.select_for_update(of=("self",)).order_by("pk")).filter(pk__in=packages)
    if sum(fault(package) is None for package in rows) != len(packages):
        raise _PackageGone


def _create(cluster: Cluster, chosen: Sequence[Choice], options: Mapping[str, Any], actor: Actor) -> UpgradeRun:
    run = UpgradeRun.objects.create(
        cluster=cluster,
        author=actor.user_name,
        reason=options.get("reason", ""),
        options={key: value for key, value in options.items() if key != "reason"},
    )
    hold(run, (choice.host for choice in chosen))
    UpgradeItem.objects.bulk_create(
        UpgradeItem(
            run=run,
            ordinal=place,
            host=choice.host,
            host_ip=choice.host.host_ip,
            service_type=choice.service.service_type,
            package=choice.package,
            package_name=choice.package.package_name,
            from_version=choice.service.version,
            to_version=choice.package.version,
            payload_bytes=choice.payload.size,  # until its host has told what it lacks
        )
        for place, choice in enumerate(chosen)
    )
    emit(
        "upgrade.pending",
        run.pk,
        f"{actor.user_name} asked for the upgrade of {len(chosen)} host services",
        f"{actor.user_name} 请求升级 {len(chosen)} 个主机服务",
        cluster_uuid=cluster.pk,
    )
    waived = [
        {"path": f"options.waive.{one['host_ip']}.{one['check']}", "from": "", "to": one["reason"]}
        for one in options.get("waive", ())
    ]
    record(actor, "upgrade.request", f"run {run.pk}", changes=waived)
    return run
