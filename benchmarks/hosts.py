"""Upgrades of 20 real SSH hosts, against ansible-playbook and plain parallel ssh: `python -m benchmarks.hosts`.

All three do the same steps of the host-side script on the same loopback hosts, with the same 5 MB payload: sysmgr as
one run with its database, Ansible as one task a step (pipelining, as many forks as hosts), ssh as one script a host.
A second measure pushes one incompressible file of 340 MB, against `ssh cat`.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .baselines.ssh import NEW, OLD, SERVICE, ansible, cat, plain

HOSTS, MEGABYTES, BIG = 20, 5, 340
BOUNDS = {"ansible": 0.2, "ssh": 1.2, "cat": 1.3}
CPU_MS = 45  # of our process, for each host


def lay(root: Path) -> None:
    """Make a host's folder anew: one release, small, and `current`."""
    shutil.rmtree(root, ignore_errors=True)
    release = root / SERVICE / "releases" / OLD
    release.mkdir(parents=True)
    (release / "file").write_bytes(b"old")
    (root / SERVICE / "current").symlink_to(f"releases/{OLD}")


def upgraded(root: Path) -> bool:
    """Whether the host runs the new release."""
    return (root / SERVICE / "current").readlink() == Path("releases", NEW)


def make(folder: Path, megabytes: int) -> None:
    """Make the payload below `folder`."""
    source, chance = folder / "source" / SERVICE, random.Random(7)
    source.mkdir(parents=True)
    count = 1 if megabytes > 50 else 5
    for number in range(count):
        with (source / f"file-{number}").open("wb") as file:
            for _ in range(megabytes // count):
                file.write(chance.randbytes(1024 * 1024))


def drive() -> None:
    """Run in the product's environment: one run over all hosts that stdin tells, and what it took, as JSON."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "sysmgr.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from cluster.leader import Lease
    from cluster.models import Host, HostService
    from cluster.services import create_cluster
    from sysmgr import env
    from sysmgr.audit.services import SYSTEM
    from upgrades import trust
    from upgrades.engine.run import Drive
    from upgrades.engine.worker import settle
    from upgrades.intake import import_file
    from upgrades.package.build import build_package
    from upgrades.package.sign import create_key, public_key_text
    from upgrades.services import request_upgrade

    told = json.load(sys.stdin)
    cluster = create_cluster("measured", SYSTEM)
    key = create_key(env.DATA_DIR / "signing-key")
    trust.add(cluster, "measured", public_key_text(key), None, SYSTEM)
    out = env.DATA_DIR / "out"
    out.mkdir()
    import_file(cluster, build_package(Path(told["source"]), NEW, out, key), SYSTEM)
    for row in told["hosts"]:
        host = Host.objects.create(cluster=cluster, **row)
        HostService.objects.create(host=host, service_type=SERVICE, version=OLD)
    lease = Lease("127.0.0.1", ttl_seconds=3600)
    assert lease.acquire()
    count = len(told["hosts"])
    options = {"max_parallel": count, "max_unavailable": {SERVICE: count}, "canary": 0}
    wanted = [{"host_ip": row["host_ip"], "service_type": SERVICE} for row in told["hosts"]]
    run = request_upgrade(cluster, wanted, options, SYSTEM)
    cpu = time.process_time()
    settle()  # as the engine does once, before its first run
    once = time.process_time() - cpu
    begun, cpu = time.monotonic(), time.process_time()
    asyncio.run(Drive(run.pk, lease.term).go())
    wall, cpu = time.monotonic() - begun, time.process_time() - cpu
    run.refresh_from_db()
    pushed = list(run.items.filter(logs__step="push").values_list("logs__seconds", flat=True))
    print(json.dumps({"state": run.state, "wall": wall, "cpu": cpu, "once": once, "push": pushed, "said": run.message}))


def sysmgr(folder: Path, hosts: list[Any]) -> dict[str, Any]:
    """Upgrade all hosts by one run; return its wall time, processor time and the times of its pushes, in seconds."""
    data = Path(tempfile.mkdtemp(dir=folder, prefix="data-"))
    shutil.copytree(Path(os.environ["SYSMGR_DATA_DIR"]) / "keys", data / "keys")
    told = {"source": str(folder / "source"), "hosts": [host.row() for host in hosts]}
    done = subprocess.run(
        [sys.executable, "-c", "from benchmarks.hosts import drive; drive()"],
        env={**os.environ, "SYSMGR_DATA_DIR": str(data), "SYSMGR_DEMO": "false"},
        cwd=Path(__file__).parents[1],
        input=json.dumps(told),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=300,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["state"] == "succeeded", found
    return found


def measure(rounds: int, hosts: int = HOSTS, big: int = BIG) -> dict[str, Any]:
    """Measure all ways in turn in each round; return medians in seconds, and the processor time of a host in ms."""
    with tempfile.TemporaryDirectory(prefix="sysmgr-hosts-") as name:
        folder = Path(name)
        os.environ["SYSMGR_DATA_DIR"] = str(folder / "manager")
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sysmgr.settings")
        from tests.sshd import sshd_hosts
        from upgrades.transports import ssh_key

        ssh_key.public_line()  # makes the key
        key = ssh_key.key_path()
        small, large = folder / "small", folder / "large"
        make(small, MEGABYTES)
        make(large, big)
        with sshd_hosts(hosts, folder) as there:
            seconds: dict[str, list[float]] = {"sysmgr": [], "ssh": [], "ansible": [], "push": [], "cat": []}
            cpu: dict[str, list[float]] = {"sysmgr": [], "ssh": [], "once": []}
            for _ in range(rounds):
                _lay_all(there)
                found = sysmgr(small, there)
                seconds["sysmgr"].append(found["wall"])
                cpu["sysmgr"].append(found["cpu"] * 1000 / hosts)
                cpu["once"].append(found["once"] * 1000)
                _check(there)
                wall, clients = plain(small, there, key)
                seconds["ssh"].append(wall)
                cpu["ssh"].append(clients * 1000 / hosts)
                _check(there)
                seconds["ansible"].append(ansible(small, there, key))
                _check(there)
                seconds["cat"].append(cat(there[0], key, large / "source" / SERVICE))
                lay(there[0].root)
                seconds["push"].append(sysmgr(large, there[:1])["push"][0])
                shutil.rmtree(there[0].root)
    medians = {way: round(statistics.median(times), 2) for way, times in seconds.items()}
    cpu_ms = {way: round(statistics.median(times), 1) for way, times in cpu.items()}
    return {"hosts": hosts, "big": big, "seconds": medians, "cpu_ms": cpu_ms}


def _lay_all(hosts: list[Any]) -> None:
    for host in hosts:
        lay(host.root)


def _check(hosts: list[Any]) -> None:
    """Each way must have done all of it; then the hosts are made anew for the next."""
    assert all(upgraded(host.root) for host in hosts)
    _lay_all(hosts)


def table(found: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return (lines of a table in Markdown, what was missed)."""
    took, cpu = found["seconds"], found["cpu_ms"]
    ratios = {
        "ansible": took["sysmgr"] / took["ansible"],
        "ssh": took["sysmgr"] / took["ssh"],
        "cat": took["push"] / took["cat"],
    }
    lines = [
        f"{found['hosts']} loopback SSH hosts, {MEGABYTES} MB each: sysmgr {took['sysmgr']} s, ansible-playbook "
        f"{took['ansible']} s, plain ssh {took['ssh']} s. One push of {found['big']} MB: {took['push']} s, `ssh cat` "
        f"{took['cat']} s. Processor time for a host: sysmgr {cpu['sysmgr']} ms (and {cpu['once']} ms once, when it "
        f"begins to lead), the clients of plain ssh {cpu['ssh']} ms.",
        "",
        "| measure | wanted | found |",
        "|---|---|---|",
        f"| sysmgr / ansible-playbook | ≤ {BOUNDS['ansible']} | {ratios['ansible']:.2f} |",
        f"| sysmgr / plain ssh | ≤ {BOUNDS['ssh']} | {ratios['ssh']:.2f} |",
        f"| sysmgr's processor time for a host, ms | ≤ {CPU_MS} | {cpu['sysmgr']} |",
        f"| push of {found['big']} MB / ssh cat | ≤ {BOUNDS['cat']} | {ratios['cat']:.2f} |",
    ]
    missed = [f"hosts: {way} {ratio:.2f}" for way, ratio in ratios.items() if ratio > BOUNDS[way]]
    if cpu["sysmgr"] > CPU_MS:
        missed.append(f"hosts: {cpu['sysmgr']} ms of processor time for a host")
    return lines, missed


if __name__ == "__main__":
    told, beyond = table(measure(int(sys.argv[1]) if sys.argv[1:] else 3))
    print("\n".join([*told, *(f"missed: {line}" for line in beyond)]))
    sys.exit(bool(beyond))
