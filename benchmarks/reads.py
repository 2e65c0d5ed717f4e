"""How many requests a second: the product's two hottest reads against small programs that answer the same.

Everything runs at once on one PostgreSQL, each server with as many processes and threads; in each round every side
is asked in turn, so that what else the machine does falls on all of them. Ratios are of the medians.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from tests.server.product import Product, product

from .client import rate
from .servers import ROOT, THREADS, WORKERS, granian

SETTINGS, PACKAGES = "/v1/system/setting/inspect", "/v1/system/upgrade_package/list"
# (what is measured, against what, at least so many times as fast)
BOUNDS = [
    ("settings", "settings: FastAPI + asyncpg, 1 query", 0.4),
    ("settings", "settings: plain DRF, 5 queries", 3.0),
    ("packages", "packages: raw cursor + orjson", 0.8),
    ("packages", "packages: DRF serializers", 5.0),
]
CONSTANT = "a constant (the client's own limit)"


@dataclass(frozen=True)
class Side:
    """One thing that is asked."""

    name: str
    port: int
    path: str
    token: str = ""


@contextlib.contextmanager
def sides() -> Iterator[list[Side]]:
    """Start everything; yield what to ask."""
    threads = {"SYSMGR_WEB_WORKERS": str(WORKERS), "SYSMGR_WEB_THREADS": str(THREADS)}
    with product(**threads) as server, contextlib.ExitStack() as stack:
        cluster = _rows(server)
        token = server.log_in()["token"]
        database = {name: server.environment()[name] for name in ("DATABASE_URL", "SYSMGR_DATA_DIR")}
        listed = f"{PACKAGES}?cluster_uuid={cluster}"

        def base(name: str, target: str, interface: str, path: str, bearer: str = token) -> Side:
            target = f"benchmarks.baselines.{target}"
            port = stack.enter_context(granian(target, interface, path, database, bearer))
            return Side(name, port, path, bearer)

        yield [
            base(CONSTANT, "constant:application", "wsgi", "/", ""),
            Side("settings", server.port, SETTINGS, token),
            base(BOUNDS[0][1], "fastapi_settings:app", "asgi", SETTINGS),
            base(BOUNDS[1][1], "drf_wsgi:application", "wsgi", SETTINGS),
            Side("packages", server.port, listed, token),
            base(BOUNDS[2][1], "raw_packages:application", "wsgi", listed, ""),
            base(BOUNDS[3][1], "drf_wsgi:application", "wsgi", listed),
        ]


def _rows(server: Product) -> str:
    words = [sys.executable, "-m", "benchmarks.rows"]
    done = subprocess.run(
        words, cwd=ROOT, env=server.environment(), check=True, capture_output=True, text=True, timeout=120
    )
    return done.stdout.strip()


def measure(rounds: int, seconds: float, connections: int) -> dict[str, list[float]]:
    """Return the rates of each side, one a round; an extra round before them warms everything up."""
    rates: dict[str, list[float]] = defaultdict(list)
    with sides() as asked:
        for number in range(rounds + 1):
            for side in asked:
                found = rate(side.port, side.path, token=side.token, connections=connections, seconds=seconds)
                if number:
                    rates[side.name].append(found)
    return rates


def table(rates: dict[str, list[float]]) -> tuple[list[str], list[str]]:
    """Return (lines of a table in Markdown, what was missed)."""
    middle = {name: statistics.median(found) for name, found in rates.items()}
    lines = ["| what | requests/s, median (lowest to highest) |", "|---|---|"]
    lines += [f"| {n} | {middle[n]:.0f} ({min(found):.0f} to {max(found):.0f}) |" for n, found in rates.items()]
    lines += ["", "| ratio | wanted | found | |", "|---|---|---|---|"]
    missed = []
    for ours, other, wanted in BOUNDS:
        ratio = middle[ours] / middle[other]
        lines.append(f"| {ours} / {other} | ≥ {wanted} | {ratio:.2f} | {'' if ratio >= wanted else 'missed'} |")
        if ratio < wanted:
            missed.append(f"{ours} / {other}: {ratio:.2f} < {wanted}")
    fastest = max(value for name, value in middle.items() if name != CONSTANT)
    lines += ["", f"The client can do {middle[CONSTANT] / fastest:.1f} × the fastest of them."]
    return lines, missed
