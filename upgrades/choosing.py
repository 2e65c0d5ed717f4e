"""Choosing what an upgrade would do: the whole list or nothing (contract §4); requests and plans share it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cluster.models import SERVICE_ORDER, Cluster, Host, HostService
from sysmgr.errors import InvalidInput, Problem

from . import away, limits
from .errors import HostHeld, UpgradeRefused
from .models import HostHold, PackagePayload, UpgradePackage
from .trust import fault, with_trust
from .versions import newest_first, parsed, upgrades


class Choice(NamedTuple):
    """One item as a run would hold it: the host's service, and the package that upgrades it."""

    host: Host
    service: HostService
    package: UpgradePackage
    payload: PackagePayload


@dataclass(frozen=True)
class _Fault:
    key: str
    english: str
    chinese: str


def choose(cluster: Cluster, wanted: Sequence[Mapping[str, str]], options: Mapping[str, Any]) -> list[Choice]:
    """Return the items in the order in which a run takes them: hosts as first named, those of managers last, the
    leader's own the very last, services in their own order; raise HostHeld, UpgradeRefused or, where the options name
    hosts that are not in the list, InvalidInput. Queries: hosts, holds, services, packages, payloads, members."""
    _refuse_strangers({item["host_ip"] for item in wanted}, options)
    hosts = {host.host_ip: host for host in Host.objects.filter(cluster=cluster)}
    refuse_held(wanted, hosts)
    running = {(row.host_id, row.service_type): row for row in HostService.objects.filter(host__cluster=cluster)}
    packages = newest_first(with_trust(UpgradePackage.objects.filter(cluster=cluster)).prefetch_related("payloads"))
    chosen: list[Choice] = []
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
    leader, managers = away.managers()
    order = limits.in_order(list(dict.fromkeys(choice.host.host_ip for choice in chosen)), managers, leader)
    places = {host_ip: place for place, host_ip in enumerate(order)}
    return sorted(chosen, key=lambda c: (places[c.host.host_ip], SERVICE_ORDER[c.service.service_type]))


def _refuse_strangers(hosts: Collection[str], options: Mapping[str, Any]) -> None:
    """Raise InvalidInput where pause points or waivers name hosts that are not upgraded."""
    named = [(f"options.pause_after[{n}]", host) for n, host in enumerate(options.get("pause_after", ()))]
    named = [(path, host) for path, host in named if host != limits.CANARY]
    named += [(f"options.waive[{n}].host_ip", one["host_ip"]) for n, one in enumerate(options.get("waive", ()))]
    problems = [Problem(path, "is no host of the list", "不在列表中") for path, host in named if host not in hosts]
    if problems:
        raise InvalidInput(problems)


def _described(place: int, key: str, item: Mapping[str, str]) -> str:
    values = [item[name] for name in ("host_ip", "service_type", "version") if name in item]
    return f"list[{place}].{key}: " + " ".join(json.dumps(v, ensure_ascii=False)[1:-1][:64] for v in values)


def refuse_held(wanted: Sequence[Mapping[str, str]], hosts: Mapping[str, Host]) -> None:
    """Raise HostHeld, naming the runs, when a host of the list is held."""
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
) -> Choice | _Fault:
    host = hosts.get(item["host_ip"])
    if host is None:
        return _Fault("host_ip", "is no host of the cluster", "不是该集群的主机")
    if host.maintenance:
        reason = host.maintenance_reason
        return _Fault("host_ip", f"is in maintenance: {reason}", f"正在维护：{reason}")
    if (item["host_ip"], item["service_type"]) in seen:
        return _Fault("service_type", "is there twice", "重复出现")
    seen.add((item["host_ip"], item["service_type"]))
    service = running.get((host.pk, item["service_type"]))
    if service is None:
        return _Fault("service_type", "is not run by the host", "主机未运行该服务")
    if service.unmanaged:
        return _Fault("service_type", "was installed by somebody else and is not managed", "由他人安装，未受管理")
    unusable: list[_Fault] = []
    for package in packages:
        payload = next((p for p in package.payloads.all() if p.service_type == service.service_type), None)
        if payload is None or ("version" in item and item["version"] != package.version):
            continue
        if not upgrades(package.version, payload.minimum_version, service.version):
            continue
        why = fault(package)
        if why is None:
            return Choice(host, service, package, payload)
        english, chinese = f"{package.package_name} {why.english}", f"升级包 {package.package_name} {why.chinese}"
        unusable.append(_Fault("version", english, chinese))
    return unusable[0] if unusable else _why_none(item, service, packages)


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
