"""What a run's options allow: how many services may be away at once, and how many failures pause it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from cluster.models import ServiceType

MAX_PARALLEL = 10


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


def batches(items: Sequence[tuple[str, str]], options: Mapping[str, Any]) -> list[list[tuple[str, str]]]:
    """Return which (host, service) are away together, as the engine goes about it if each change takes equally long.

    A host takes one of `max_parallel` places until its last service is done; a service waits there for a slot of
    its kind, first come, first served.
    """
    hosts: dict[str, deque[str]] = {}
    for host, service in items:
        hosts.setdefault(host, deque()).append(service)
    free, waiting, working = slots(options, len(hosts)), deque(hosts), deque[str]()
    found: list[list[tuple[str, str]]] = []
    while waiting or working:
        while waiting and len(working) < max_parallel(options):
            working.append(waiting.popleft())
        left, away = dict(free), []
        for host in working:  # who waited longest stands first
            if left[hosts[host][0]] > 0:
                left[hosts[host][0]] -= 1
                away.append(host)
        found.append([(host, hosts[host].popleft()) for host in away])
        behind = [host for host in working if host not in away]
        working = deque([*behind, *(host for host in away if hosts[host])])
    return found
