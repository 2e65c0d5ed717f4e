"""What access control costs a read of settings: `python -m benchmarks.gate`, or as a part of `make bench`.

In one process, through every middleware and without a server between: the same request with 1,000 ranges and 1,000 time
windows in force, and with nothing in force. What is read are the settings of another cluster: the lists themselves,
which are long to write, would hide what it costs to obey them. Both are asked in turn in small batches, so that what
else the machine does falls on both; the ratio is of the lower quartiles, which it disturbs least.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.server.product import product

from .servers import ROOT

BOUND = 1.10
PATH = "/v1/system/setting/inspect"
RANGES, WINDOWS, BATCH, BATCHES = 1000, 1000, 25, 12
_DAYS = [1, 2, 3, 4, 5, 6, 7]


def policy() -> dict[str, Any]:
    """Return access control as long as it can be, that lets the measuring address in at every time."""
    ranges = [f"10.{n // 250}.{n % 250}.0-10.{n // 250}.{n % 250}.99" for n in range(RANGES)]
    windows = [{"days": _DAYS, "start": f"{n % 24:02}:{n % 60:02}", "end": "00:00"} for n in range(WINDOWS - 1)]
    windows.append({"days": _DAYS, "start": "00:00", "end": "00:00"})
    return {
        "ip_access_control_policy": {"enabled": True, "whitelist": False, "ip_ranges": {"ranges": ranges}},
        "time_access_control_policy": {
            "enabled": True,
            "time_zone": "Europe/Berlin",
            "whitelist": True,
            "windows": windows,
        },
    }


def measure(rounds: int) -> dict[str, Any]:
    """Start a product, measure beside its database; return microseconds and ratio."""
    with product() as server:
        words = [sys.executable, "-m", "benchmarks.gate", "--inside", "--rounds", str(rounds)]
        done = subprocess.run(
            words, cwd=ROOT, env=server.environment(), check=True, capture_output=True, text=True, timeout=600
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def table(found: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return (lines of a table in Markdown, what was missed)."""
    lines = [
        f"Settings in one process, µs a request: with {RANGES} ranges and {WINDOWS} time windows, and without.",
        "",
    ]
    lines += ["| enforced | not enforced | ratio | wanted |", "|---|---|---|---|"]
    lines.append(f"| {found['on']} | {found['off']} | {found['ratio']} | ≤ {BOUND} |")
    return lines, [f"access control: {found['ratio']} x"] if found["ratio"] > BOUND else []


def inside(rounds: int) -> dict[str, Any]:
    """Measure in this process."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "sysmgr.settings"
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
    from cluster.models import Cluster
    from settings_app.services import create_defaults, update_settings
    from sysmgr.accounts import tokens
    from sysmgr.accounts.models import User
    from sysmgr.audit.services import SYSTEM

    clear, _ = tokens.issue(User.objects.get(user_name="admin"), "127.0.0.1", 3600)
    cluster, read = Cluster.objects.get(default=True), Cluster.objects.create(name="read")
    create_defaults(read, SYSTEM)
    forced = policy()
    free = {name: {"enabled": False} for name in forced}
    free["time_access_control_policy"] = {**forced["time_access_control_policy"], "enabled": False}
    spent: dict[str, list[float]] = {"on": [], "off": []}
    ask = _asker(application, clear, {"cluster_uuid": str(read.pk)})
    for number in range(rounds * BATCHES + 1):
        for name, values in (("on", forced), ("off", free)):
            update_settings(cluster, {"access_control_policy": values}, SYSTEM)
            ask()  # the policy is read and made ready
            gc.collect()
            begun = time.perf_counter()
            for _ in range(BATCH):
                ask()
            if number:
                spent[name].append((time.perf_counter() - begun) / BATCH * 1e6)
    low = {name: statistics.quantiles(found, n=4)[0] for name, found in spent.items()}
    return {**{name: round(value) for name, value in low.items()}, "ratio": round(low["on"] / low["off"], 3)}


def _asker(application: Any, clear: str, query: dict[str, str]) -> Callable[[], None]:
    from django.test import RequestFactory

    factory = RequestFactory(headers={"Authorization": f"Bearer {clear}"})
    environ = factory.get(PATH, query, REMOTE_ADDR="127.0.0.1").environ

    def ask() -> None:
        said: list[str] = []
        answer = application(dict(environ, HTTP_HOST="localhost"), lambda status, headers: said.append(status))
        list(answer)
        answer.close()
        assert said == ["200 OK"], said

    return ask


def main() -> int:
    """Print the figures; exit with 1 when they are beyond the bound."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--inside", action="store_true", help="measure in this process, in a product's environment")
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(inside(options.rounds)))
        return 0
    lines, missed = table(measure(options.rounds))
    print("\n".join([*lines, *missed]))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
