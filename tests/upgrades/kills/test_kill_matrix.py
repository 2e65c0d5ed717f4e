"""The manager is killed before, inside and after every call of a run, and the run ends right, with every effect once.

`make soak` tries every point; otherwise a seeded sample of them. `SYSMGR_KILL_SEED` is another seed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from cluster.models import Cluster
from tests.sshd import sshd_hosts

from .stage import BAD, GOOD, PHASES, Stage, shell, staged

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
FULL = os.environ.get("SYSMGR_FULL") == "1"
SEED = os.environ.get("SYSMGR_KILL_SEED", "6")
SAMPLE = 2  # points of each way of each package, where not all are tried; the ways have points of their own
LOCAL_IP = "10.30.12.200"


@pytest.fixture(params=["local", "ssh"])
def stage(request: pytest.FixtureRequest, demo_cluster: Cluster, tmp_path: Path) -> Iterator[Stage]:
    """A host as a folder of this machine, or behind a real sshd."""
    before = shell(tmp_path / "shell")
    if request.param == "local":
        root = tmp_path / "kill-host"
        row: dict[str, Any] = {"host_ip": LOCAL_IP, "transport": "local", "root": str(root)}
        with staged(demo_cluster, tmp_path, row, root) as made:
            yield made
        return
    with sshd_hosts(1, tmp_path, path=f"{before}:{os.environ['PATH']}") as hosts:
        hosts[0].root.rmdir()
        with staged(demo_cluster, tmp_path, hosts[0].row(), hosts[0].root) as made:
            yield made


def points(stage: Stage, calls: list[str], version: str) -> list[tuple[int, str]]:
    """Return the points to try: (number of the call, phase)."""
    every = [(number, phase) for number in range(1, len(calls) + 1) for phase in PHASES]
    return every if FULL else sorted(random.Random(f"{SEED} {version} {stage.host.transport}").sample(every, SAMPLE))


@pytest.mark.timeout(3000 if FULL else 400)
@pytest.mark.parametrize("version", [GOOD, BAD], ids=["good package", "bad package"])
def test_a_killed_manager_leaves_nothing_half_done(stage: Stage, version: str) -> None:
    calls = stage.undisturbed(version)
    print(f"seed {SEED}, calls: {calls}")
    for number, phase in points(stage, calls, version):
        seconds = round(random.Random(f"{SEED} {number}").uniform(0.005, 0.15), 3)
        print(f"kill {phase} call {number} ({calls[number - 1]}), {seconds} s")
        stage.kill(version, number, phase, seconds)


@pytest.mark.timeout(3000 if FULL else 400)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="only SQLite has exactly one manager")
@pytest.mark.parametrize("version", [GOOD, BAD], ids=["good package", "bad package"])
def test_a_manager_that_wakes_up_late_does_nothing(stage: Stage, version: str) -> None:
    """Frozen in the middle of a run, while another one brings it to its end; its own late call is refused."""
    calls = stage.undisturbed(version)
    # Nobody looks at what a host answers after its run has ended: the cleanup is the last call.
    chosen = [point for point in points(stage, calls, version) if point[0] < len(calls)]
    late = [(calls.index("activate") + 1, "before"), (calls.index("backup") + 1, "before")]
    for number, phase in dict.fromkeys([*late, *chosen]):
        seconds = round(random.Random(f"{SEED} {number}").uniform(0.005, 0.15), 3)
        print(f"freeze {phase} call {number} ({calls[number - 1]}), {seconds} s")
        stage.freeze(version, number, phase, seconds)
