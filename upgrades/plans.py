"""The plan of an upgrade, read from the database alone: nothing is run, no host is asked (contract §5)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Max

from cluster.models import Cluster

from . import away, limits, pace
from .choosing import Choice, choose
from .models import UpgradeItem

_IGNORED = ("reason", "plan_fingerprint")  # they change nothing of what is done
# What the run's first state asks each host, in this order (engine/prechecks.py), after the package itself.
_PRECHECKS = {
    "package": ("digest, signature and manifest of each package", "每个升级包的摘要、签名与清单"),
    "reachable": (
        "the host answers; a run waits for one that doesn't, and it can be skipped",
        "主机可访问；否则任务暂停，可跳过该主机",
    ),
    "protocol": ("the host's script speaks this manager's protocol", "主机脚本的协议版本一致"),
    "tools": ("the tools that the script needs are there", "主机具备脚本所需的工具"),
    "writable": ("the host's folder can be written", "主机目录可写"),
    "managed": ("`current` of the service points at a release", "服务的 current 指向某个版本"),
    "version": ("the host runs the version that is recorded", "主机的实际版本与记录一致"),
    "disk_space": ("payload and backup fit twice on the host's disk", "主机磁盘可容纳两份载荷与备份"),
    "health": (
        "the service is well right before its own change; one that is not is left out",
        "服务在自身变更前是健康的；否则将被跳过",
    ),
}
_WARNINGS = ("health",)


def plan(cluster: Cluster, wanted: Sequence[Mapping[str, str]], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{fingerprint, order[], batches[][], prechecks[], bytes, seconds, facts_time}`, or raise as the request
    does. `seconds` is what the batches take if each change takes the median of the newest here that succeeded, without
    the pushes before; null before the first. Queries: the choice's (five, members), leader (members and leader are two
    on PostgreSQL), down (two), last changes, earlier changes."""
    chosen = choose(cluster, wanted, options)
    leader, _ = away.managers()
    places = [(choice.host.host_ip, choice.service.service_type) for choice in chosen]
    batches = limits.batches(places, options, away.down(cluster.pk), leader)
    seconds = pace.seconds_of(batches, pace.learned(cluster.pk), options.get("soak_seconds", 0))
    return {
        "fingerprint": fingerprint(cluster, chosen, options),
        "order": [
            {
                "host_ip": choice.host.host_ip,
                "service_type": choice.service.service_type,
                "from_version": choice.service.version,
                "to_version": choice.package.version,
                "package_name": choice.package.package_name,
            }
            for choice in chosen
        ],
        "batches": [[{"host_ip": host, "service_type": service} for host, service in batch] for batch in batches],
        "prechecks": _prechecks(bool(leader)),
        "bytes": sum(choice.payload.size for choice in chosen),
        "seconds": None if seconds is None else max(1, round(seconds)),
        "facts_time": int(_facts_time(cluster, chosen).timestamp()),
    }


def fingerprint(cluster: Cluster, chosen: Sequence[Choice], options: Mapping[str, Any]) -> str:
    """Return a digest over all that decides what is done: items in order, versions, package digests, options."""
    items = [
        [c.host.host_ip, c.service.service_type, c.service.version, c.package.version, c.package.sha256] for c in chosen
    ]
    facts = [str(cluster.pk), items, {key: value for key, value in options.items() if key not in _IGNORED}]
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _prechecks(leads: bool) -> list[dict[str, Any]]:
    """Return the named checks: whether a leader is there now, and what it will check first."""
    leader = ("a manager leads", "有主节点") if leads else ("no manager leads now", "当前没有主节点")
    checks = {"leader": leader, **_PRECHECKS}
    return [
        {
            "name": name,
            "blocking": name not in _WARNINGS,
            "waivable": name in limits.WAIVABLE,
            "message": english,
            "message_cn": chinese,
        }
        for name, (english, chinese) in checks.items()
    ]


def _facts_time(cluster: Cluster, chosen: Sequence[Choice]) -> datetime:
    """Return the newest time of the facts: hosts and packages as they came, versions as a run changed them."""
    changed = UpgradeItem.objects.filter(host__cluster=cluster, state=UpgradeItem.State.COMMITTED)
    last = changed.aggregate(last=Max("update_time"))["last"]
    times = [time for choice in chosen for time in (choice.host.create_time, choice.package.create_time)]
    return max([*times, last] if last else times)
