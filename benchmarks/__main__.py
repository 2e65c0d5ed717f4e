"""`python -m benchmarks`: every measure in one run, on a throw-away PostgreSQL; exits with 1 when a bound is missed."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.pg import postgres

from . import fleet, gate, hosts, intake, reads

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
_SHOWN = ("django", "djangorestframework", "granian", "psycopg2-binary", "fastapi", "asyncpg", "orjson")


def machine() -> str:
    """Return what was measured on: system, processors, versions."""
    names = [line.partition(":")[2].strip() for line in _read("/proc/cpuinfo") if line.startswith("model name")]
    processor = names[0] if names else platform.machine()
    versions = ", ".join(f"{name} {version(name)}" for name in _SHOWN)
    return f"{os.cpu_count()} × {processor}; Python {platform.python_version()}, {versions}."


def _read(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def intake_table(found: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return (lines of a table in Markdown, what was missed)."""
    limit = found["seconds"]["limit"]
    lines = [f"Intake of {found['megabytes']} MB; disk write and digests alone take {limit} s.", ""]
    lines += ["| way | seconds | ratio | wanted | growth of memory, MiB |", "|---|---|---|---|---|"]
    missed = []
    for name, bound in found["bounds"].items():
        ratio, grew = found["ratios"][name], found["memory_mb"][name]
        lines.append(f"| {name} | {found['seconds'][name]} | {ratio} | ≤ {bound} | {grew} |")
        if ratio > bound or grew > found["memory_bound_mb"]:
            missed.append(f"intake by {name}: {ratio} x, {grew} MiB")
    return lines, missed


def main() -> int:
    """Measure and print; `--write` keeps the tables in the README."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each side in each round")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--megabytes", type=int, default=340, help="of the package that is taken in; 0: leave that out")
    parser.add_argument("--write", action="store_true", help="keep the tables in benchmarks/README.md")
    parser.add_argument("--hosts", type=int, default=fleet.HOSTS, help="of the simulated fleet; 0: no hosts at all")
    options = parser.parse_args()
    with postgres() as url:
        os.environ["DATABASE_URL"] = url
        rates = reads.measure(options.rounds, options.seconds, options.connections)
        enforced = gate.measure(options.rounds)
        taken = intake.measure(options.megabytes, options.rounds) if options.megabytes else None
        driven = fleet.measure(options.hosts) if options.hosts else None
    upgraded = hosts.measure(min(options.rounds, 3)) if options.hosts else None
    lines, missed = reads.table(rates)
    told = [machine(), f"{options.rounds} rounds of {options.seconds:g} s, {options.connections} connections."]
    more, beyond = gate.table(enforced)
    told, missed = [*told, "", *lines, "", *more], [*missed, *beyond]
    if taken is not None:
        more, beyond = intake_table(taken)
        told, missed = [*told, "", *more], [*missed, *beyond]
    for table, found in ((fleet.table, driven), (hosts.table, upgraded)):
        if found is not None:
            more, beyond = table(found)
            told, missed = [*told, "", *more], [*missed, *beyond]
    print("\n".join(told))
    if options.write:
        before, _, rest = README.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        README.write_text("\n".join([before + BEGIN, *told, END]) + after)
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
