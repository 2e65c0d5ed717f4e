"""What a run's options allow: who comes when, how many may be away at once, and how many failures are too many."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from cluster.models import ServiceType

MAX_PARALLEL = 10
CANARY = "canary"
# They judge beforehand what the steps themselves find out, and then take back. All others say that the steps would
# act on something that is not what the run is about: a package that is not whole, a host that is not as recorded.
WAIVABLE = ("tools", "disk_space", "health")
Place = tuple[str, str]


def max_parallel(options: Mapping[str, Any]) -> int:
    """Return on how many hosts work may go on at once."""
    return int(options.get("max_parallel", MAX_PARALLEL))


def slots(options: Mapping[str, Any], hosts: int) -> dict[str, int]:
    """Return how many of each service may be away at once: cloud 1, storage 1, compute 10 %, at least 1."""
    given = options.get("max_unavailable", {})
    defaults = {ServiceType.CLOUD: 1, ServiceType.STORAGE: 1, ServiceType.COMPUTE: max(1, hosts // 10)}
    return {str(service): int(given.get(service, most)) for service, most in defaults.items()}


def threshold(options: Mapping[str, Any], items: int) -> int:
    """Return the number of failures at which no further item is begun: by count, by percent, or by either."""
    limits = [options["fail_count"]] if "fail_count" in options else []
    if "fail_percent" in options:
        limits.append(max(1, items * options["fail_percent"] // 100))
    return int(min(limits, default=1))


def waived(options: Mapping[str, Any], host_ip: str) -> set[str]:
    """Return which prechecks are waived for a host."""
    return {one["check"] for one in options.get("waive", ()) if one["host_ip"] == host_ip}


def in_order(hosts: Sequence[str], managers: Collection[str], leader: str) -> list[str]:
    """Return the hosts as a run takes them: those that a manager runs on last, the leader's own the very last."""
    return sorted(hosts, key=lambda host: (host == leader, host in managers))


def stages(hosts: Sequence[str], options: Mapping[str, Any], leader: str = "") -> list[list[str]]:
    """Return the hosts in stages, of which each begins when all hosts of those before have ended.

    First `canary` hosts, then twice as many, and so on, until `max_parallel` is the limit: from there on there is
    one stage. A host after which the run pauses ends its stage. `canary: 0` begins with the last stage at once. The
    leader's own host waits for all others.
    """
    if len(hosts) > 1 and hosts[-1] == leader:
        return [*stages(hosts[:-1], options), [leader]]
    size = int(options.get("canary", 1))
    points = set(options.get("pause_after", ()))
    left, found = list(hosts), list[list[str]]()
    while left:
        whole = size == 0 or (size >= max_parallel(options) and bool(found))
        stage = left if whole else left[:size]
        cut = next((place for place, host in enumerate(stage, 1) if host in points), len(stage))
        found.append(stage[:cut])
        left = left[cut:]
        size *= 2
    return found


def points_due(hosts: Sequence[str], options: Mapping[str, Any], ended: AbstractSet[str]) -> list[str]:
    """Return the pause points that are reached, `ended` hosts being done, and at which the run has not paused yet."""
    points = [point for point in options.get("pause_after", ()) if point not in options.get("paused_after", ())]
    first = stages(hosts, {**options, "pause_after": []})[0] if hosts else []
    return [point for point in points if (ended >= set(first) if point == CANARY else point in ended)]


def batches(
    items: Sequence[Place], options: Mapping[str, Any], down: Collection[Place] = frozenset(), leader: str = ""
) -> list[list[Place]]:
    """Return which (host, service) are away together, as the engine goes about it if each change takes equally long.

    A host takes one of `max_parallel` places until its last service is done; a service waits there for a slot of
    its kind, first come, first served. What is `down` already takes slots; where none is left the run would pause,
    and one is shown.
    """
    hosts: dict[str, deque[str]] = {}
    for host, service in items:
        hosts.setdefault(host, deque()).append(service)
    free = slots(options, len(hosts))
    taken = [service for _, service in set(down) - set(items)]
    free = {service: max(1, most - taken.count(service)) for service, most in free.items()}
    found: list[list[Place]] = []
    for stage in stages(list(hosts), options, leader):
        found += _stage({host: hosts[host] for host in stage}, free, max_parallel(options))
    return found


def _stage(hosts: dict[str, deque[str]], free: Mapping[str, int], most: int) -> list[list[Place]]:
    waiting, working = deque(hosts), deque[str]()
    found: list[list[Place]] = []
    while waiting or working:
        while waiting and len(working) < most:
            working.append(waiting.popleft())
        left, away = dict(free), list[str]()
        for host in working:  # who waited longest stands first
            if left[hosts[host][0]] > 0:
                left[hosts[host][0]] -= 1
                away.append(host)
        found.append([(host, hosts[host].popleft()) for host in away])
        behind = [host for host in working if host not in away]
        working = deque([*behind, *(host for host in away if hosts[host])])
    return found
