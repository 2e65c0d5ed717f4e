"""A run over 1,000 simulated hosts: everything is real but the hosts, whose steps only take time and fail at times.

`python -m benchmarks.fleet` measures on a throw-away PostgreSQL how long the run takes, against an ideal scheduler: the
same hosts, delays and rules, with bookkeeping that takes no time at all.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from heapq import heapreplace
from pathlib import Path
from typing import Any

from tests.pg import postgres

HOSTS, PARALLEL, SEED = 1000, 100, 11
DELAYS = (0.05, 0.45)  # seconds of a step, evenly between
FAILURE = 0.01  # of each step of an item but those that go back or clean up
BOUND, MEMORY_MB = 1.10, 64
_FAILING = ("spec", "need", "push", "backup", "stage", "drain", "activate", "verify", "commit")
OLD, NEW, SERVICE = "1.0", "2.0", "compute"


class Fleet:
    """What the simulated hosts are like, what was asked of them, and how long each call was to take."""

    def __init__(self) -> None:
        self.delays: dict[str, list[tuple[str, float]]] = {}
        self.version: dict[str, str] = {}
        self.failed: Counter[str] = Counter()

    def transport(self, host: Any) -> Simulated:
        """Stand in for `transport_of`."""
        return Simulated(self, host.host_ip)


class Simulated:
    """One host: answers each step as the host-side script would, after a while."""

    def __init__(self, fleet: Fleet, address: str) -> None:
        self.fleet, self.address = fleet, address
        self.chance = random.Random(f"{SEED} {address}")
        self.marks: list[str] = []
        fleet.version.setdefault(address, OLD)

    async def install(self) -> None:
        """It is there."""

    async def close(self) -> None:
        """Nothing is held."""

    async def run(self, *words: str, stdin: Any = b"", seconds: float = 600) -> Any:
        """Take the step's time, then do or refuse it."""
        from upgrades.transports.base import Result

        step, delay = words[0], self.chance.uniform(*DELAYS)
        self.fleet.delays.setdefault(self.address, []).append((step, delay))
        if not isinstance(stdin, bytes):
            async for _ in stdin():
                pass
        await asyncio.sleep(delay)
        if step in _FAILING and self.chance.random() < FAILURE:
            self.fleet.failed[step] += 1
            return Result(15, f"error io_error simulated in {step}\n")
        return Result(0, self._did(step, words))

    def _did(self, step: str, words: tuple[str, ...]) -> str:
        if step == "inspect":
            from upgrades import agent

            facts = f"protocol {agent.PROTOCOL}\nwritable yes\nfree_kb 99999999\n"
            return f"{facts}service {SERVICE} {self.fleet.version[self.address]}\nrelease_kb {SERVICE} 1\n"
        if step == "need":
            return "need 1\nbytes 1\n"
        if step == "check":
            return "status yes\nhealth yes\n"
        if step == "backup":
            return f"name {words[5]}\nmd5 {'0' * 32}\nsha256 {'0' * 64}\nsize 1\n"
        if step in ("activate", "rollback"):
            self.fleet.version[self.address] = NEW if step == "activate" else OLD
        return f"{step} yes\n"


def ideal(fleet: Fleet, order: list[str], stages: list[list[str]]) -> float:
    """Return the seconds that the same calls take when nothing but they takes time.

    Phases as in the engine: all hosts are checked, then preloaded, then changed stage by stage, `PARALLEL` at once; a
    host that becomes free takes the next one in order.
    """
    pushed = ("spec", "need", "push")
    total = 0.0
    for hosts, which in [(order, "check"), (order, "push"), *((stage, "change") for stage in stages)]:
        places = [0.0] * PARALLEL
        for host in hosts:
            calls = fleet.delays.get(host, [])
            first = next((at for at, (step, _) in enumerate(calls) if step in pushed), len(calls))
            change = next((at for at, (step, _) in enumerate(calls) if at > first and step not in pushed), len(calls))
            # A failed push cleans up at once: its calls belong to the preload.
            if change < len(calls) and calls[change][0] in ("log", "cleanup"):
                change = len(calls)
            part = {"check": calls[:first], "push": calls[first:change], "change": calls[change:]}[which]
            heapreplace(places, places[0] + sum(delay for _, delay in part))
        total += max(places)
    return total


def main() -> None:
    """Run in the product's environment: make the fleet, drive the run, print what came of it as JSON."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "sysmgr.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    run, fleet, hosts = _made()
    before = _memory_mb()
    begun, cpu = time.monotonic(), time.process_time()
    asyncio.run(_driven(run, fleet))
    took = {"wall": round(time.monotonic() - begun, 2), "cpu": round(time.process_time() - cpu, 1)}
    print(json.dumps({**_ended(run, fleet, hosts), **took, "grew_mb": round(_memory_mb() - before, 1)}))


def _made() -> tuple[Any, Fleet, list[str]]:
    from cluster.models import Host, HostService
    from cluster.services import create_cluster
    from sysmgr import env
    from sysmgr.audit.services import SYSTEM
    from upgrades import trust
    from upgrades.intake import import_file
    from upgrades.package.build import build_package
    from upgrades.package.sign import create_key, public_key_text
    from upgrades.services import request_upgrade

    cluster = create_cluster("fleet", SYSTEM)
    key = create_key(env.DATA_DIR / "key")
    trust.add(cluster, "fleet", public_key_text(key), None, SYSTEM)
    source = env.DATA_DIR / "source" / SERVICE
    source.mkdir(parents=True)
    (source / "file").write_bytes(b"x")
    import_file(cluster, build_package(source.parent, NEW, env.DATA_DIR, key), SYSTEM)
    addresses = [f"10.{n // 62500}.{n // 250 % 250}.{n % 250 + 1}" for n in range(int(sys.argv[1]))]
    made = Host.objects.bulk_create(
        Host(cluster=cluster, host_ip=address, transport="local", root=f"/nowhere/{address}") for address in addresses
    )
    HostService.objects.bulk_create(HostService(host=host, service_type=SERVICE, version=OLD) for host in made)
    from cluster.leader import Lease

    lease = Lease("127.0.0.1", ttl_seconds=3600)
    assert lease.acquire()
    options = {"max_parallel": PARALLEL, "max_unavailable": {SERVICE: PARALLEL}, "fail_count": len(made)}
    wanted = [{"host_ip": address, "service_type": SERVICE} for address in addresses]
    return request_upgrade(cluster, wanted, options, SYSTEM), Fleet(), addresses


async def _driven(run: Any, fleet: Fleet) -> None:
    from cluster.models import LeaderLease
    from upgrades.engine import run as engine

    engine.transport_of = fleet.transport  # type: ignore[assignment]
    term = (await LeaderLease.objects.aget(pk=1)).term
    await engine.Drive(run.pk, term).go()


def _ended(run: Any, fleet: Fleet, hosts: list[str]) -> dict[str, Any]:
    from upgrades import limits

    run.refresh_from_db()
    states = dict(run.items.values_list("host_ip", "state"))
    committed = {host for host, state in states.items() if state == "committed"}
    # A host whose commit could not be answered runs the new release until it is rolled back: both must agree.
    wrong = [host for host in hosts if (fleet.version[host] == NEW) != (host in committed)]
    best = ideal(fleet, hosts, limits.stages(hosts, run.options))
    return {
        "hosts": len(hosts),
        "state": run.state,
        "counts": dict(Counter(states.values())),
        "failed_steps": sum(fleet.failed.values()),
        "not_committed": len(hosts) - len(committed),
        "wrong": len(wrong),
        "ideal": round(best, 2),
    }


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(hosts: int = HOSTS) -> dict[str, Any]:
    """Run it once on the PostgreSQL of DATABASE_URL, in a process of its own; return what it printed."""
    with tempfile.TemporaryDirectory(prefix="sysmgr-fleet-") as folder:
        environment = {**os.environ, "SYSMGR_DATA_DIR": folder, "SYSMGR_DEMO": "false"}
        words = [sys.executable, "-c", "from benchmarks.fleet import main; main()", str(hosts)]
        done = subprocess.run(
            words,
            env=environment,
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            check=True,
            timeout=900,
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(found: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return (lines of a table in Markdown, what was missed)."""
    ratio = found["wall"] / found["ideal"]
    lines = [
        f"A run over {found['hosts']} simulated hosts, {PARALLEL} at once, {FAILURE:.0%} failures per step: "
        f"{found['counts']}.",
        "",
        "| seconds | ideal scheduler | ratio | wanted | processor time, s | growth of memory, MiB |",
        "|---|---|---|---|---|---|",
        f"| {found['wall']} | {found['ideal']} | {ratio:.3f} | ≤ {BOUND} | {found['cpu']} | {found['grew_mb']} |",
    ]
    missed = []
    if ratio > BOUND:
        missed.append(f"fleet: {ratio:.3f} x the ideal scheduler")
    if found["grew_mb"] > MEMORY_MB:
        missed.append(f"fleet: memory grew by {found['grew_mb']} MiB")
    if found["wrong"] or found["not_committed"] != found["failed_steps"]:
        missed.append(f"fleet: the database and the hosts differ: {found}")
    return lines, missed


if __name__ == "__main__":
    with postgres() as url:
        os.environ["DATABASE_URL"] = url
        told, beyond = table(measure())
    print("\n".join([*told, *(f"missed: {line}" for line in beyond)]))
    sys.exit(bool(beyond))
