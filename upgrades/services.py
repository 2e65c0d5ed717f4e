"""Accepting upgrades: the whole list or nothing (contract §4)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from cluster.members import leader_known
from cluster.models import SERVICE_ORDER, Cluster, Host, HostService
from sysmgr.audit.services import Actor, record
from sysmgr.errors import NoLeader
from sysmgr.events.services import emit

from .errors import HostHeld, UpgradeRefused
from .models import HostHold, UpgradeItem, UpgradePackage, UpgradeRun
from .versions import newest_first, parsed, upgrades

RETRY_SECONDS = 5


@dataclass(frozen=True)
class _Fault:
    key: str
    english: str
    chinese: str


def request_upgrade(
    cluster: Cluster, wanted: Sequence[Mapping[str, str]], options: Mapping[str, Any], actor: Actor
) -> UpgradeRun:
    """Make one run for the whole list; raise UpgradeRefused (400), HostHeld (409) or NoLeader (503), and then
    nothing is made: a run that nobody drives would hold its hosts."""
    try:
        return _request(cluster, wanted, options, actor)
    except IntegrityError:
        # Another request took a host between our look and our insert; now it can be seen.
        _refuse_held(wanted, {host.host_ip: host for host in Host.objects.filter(cluster=cluster)})
        raise


@transaction.atomic
def _request(
    cluster: Cluster, wanted: Sequence[Mapping[str, str]], options: Mapping[str, Any], actor: Actor
) -> UpgradeRun:
    hosts = {host.host_ip: host for host in Host.objects.filter(cluster=cluster)}
    _refuse_held(wanted, hosts)
    running = {(row.host_id, row.service_type): row for row in HostService.objects.filter(host__cluster=cluster)}
    packages = newest_first(UpgradePackage.objects.filter(cluster=cluster).prefetch_related("payloads"))
    chosen: list[tuple[Host, HostService, UpgradePackage]] = []
    faults: list[tuple[int, _Fault]] = []
    seen: set[tuple[str, str]] = set()
    for place, item in enumerate(wanted):
        found = _choose(item, hosts, running, packages, seen)
        if isinstance(found, _Fault):
            faults.append((place, found))
        else:
            chosen.append(found)
    if faults:
        raise UpgradeRefused(
            "; ".join(_described(place, fault.key, wanted[place]) for place, fault in faults),
            problems="; ".join(f"list[{place}] {fault.english}" for place, fault in faults),
            problems_cn="；".join(f"list[{place}] {fault.chinese}" for place, fault in faults),
        )
    if not leader_known():
        raise NoLeader(retry_after=RETRY_SECONDS)
    return _create(cluster, chosen, options, actor)


def _described(place: int, key: str, item: Mapping[str, str]) -> str:
    values = [item[name] for name in ("host_ip", "service_type", "version") if name in item]
    return f"list[{place}].{key}: " + " ".join(json.dumps(v, ensure_ascii=False)[1:-1][:64] for v in values)


def _refuse_held(wanted: Sequence[Mapping[str, str]], hosts: Mapping[str, Host]) -> None:
    ids = {hosts[item["host_ip"]].pk for item in wanted if item["host_ip"] in hosts}
    holds = dict(HostHold.objects.filter(host__in=ids).values_list("host__host_ip", "run"))
    if holds:
        held = [(place, item) for place, item in enumerate(wanted) if item["host_ip"] in holds]
        raise HostHeld(
            "; ".join(_described(place, "host_ip", item) for place, item in held),
            run=", ".join(sorted({str(run) for run in holds.values()})),
        )


def _choose(
    item: Mapping[str, str],
    hosts: Mapping[str, Host],
    running: Mapping[tuple[int, str], HostService],
    packages: Sequence[UpgradePackage],
    seen: set[tuple[str, str]],
) -> tuple[Host, HostService, UpgradePackage] | _Fault:
    host = hosts.get(item["host_ip"])
    if host is None:
        return _Fault("host_ip", "is no host of the cluster", "不是该集群的主机")
    if (item["host_ip"], item["service_type"]) in seen:
        return _Fault("service_type", "is there twice", "重复出现")
    seen.add((item["host_ip"], item["service_type"]))
    service = running.get((host.pk, item["service_type"]))
    if service is None:
        return _Fault("service_type", "is not run by the host", "主机未运行该服务")
    if service.unmanaged:
        return _Fault("service_type", "was installed by somebody else and is not managed", "由他人安装，未受管理")
    for package in packages:
        payload = next((p for p in package.payloads.all() if p.service_type == service.service_type), None)
        if payload is None or ("version" in item and item["version"] != package.version):
            continue
        if upgrades(package.version, payload.minimum_version, service.version):
            return host, service, package
    return _why_none(item, service, packages)


def _why_none(item: Mapping[str, str], service: HostService, packages: Sequence[UpgradePackage]) -> _Fault:
    if "version" not in item:
        return _Fault("version", "has no package that can upgrade it", "没有可用的升级包")
    if item["version"] not in {package.version for package in packages}:
        return _Fault("version", "is in no package of the store", "没有该版本的升级包")
    wanted, old = parsed(item["version"]), parsed(service.version)
    if wanted == old:
        return _Fault("version", f"is what runs already ({service.version})", f"与当前版本相同（{service.version}）")
    if wanted < old:
        return _Fault("version", f"would be a downgrade from {service.version}", f"低于当前版本 {service.version}")
    return _Fault("version", f"can't be reached from {service.version}", f"无法从 {service.version} 升级到该版本")


def _create(
    cluster: Cluster,
    chosen: Sequence[tuple[Host, HostService, UpgradePackage]],
    options: Mapping[str, Any],
    actor: Actor,
) -> UpgradeRun:
    run = UpgradeRun.objects.create(
        cluster=cluster,
        author=actor.user_name,
        reason=options.get("reason", ""),
        options={key: value for key, value in options.items() if key != "reason"},
    )
    HostHold.objects.bulk_create(
        HostHold(host=host, run=run) for host in {host.pk: host for host, _, _ in chosen}.values()
    )
    places = {host.pk: place for place, (host, _, _) in reversed(list(enumerate(chosen)))}
    ordered = sorted(chosen, key=lambda c: (places[c[0].pk], SERVICE_ORDER[c[1].service_type]))
    UpgradeItem.objects.bulk_create(
        UpgradeItem(
            run=run,
            ordinal=place,
            host=host,
            host_ip=host.host_ip,
            service_type=service.service_type,
            package=package,
            package_name=package.package_name,
            from_version=service.version,
            to_version=package.version,
        )
        for place, (host, service, package) in enumerate(ordered)
    )
    emit(
        "upgrade.pending",
        run.pk,
        f"{actor.user_name} asked for the upgrade of {len(chosen)} host services",
        f"{actor.user_name} 请求升级 {len(chosen)} 个主机服务",
        cluster_uuid=cluster.pk,
    )
    record(actor, "upgrade.request", f"run {run.pk}")
    return run
