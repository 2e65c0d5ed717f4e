"""`kill -9` at seeded moments of a run: after the next start it succeeds, and everything happened exactly once."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from tests.server.moments import Stage
from tests.server.product import product, server_url

# A sample, spread over the whole run; SYSMGR_FULL=1 takes more. On PostgreSQL a new leader waits for the end of the
# killed one's lease.
FULL = os.environ.get("SYSMGR_FULL") == "1"
MOMENTS = (10 if FULL else 6) if server_url() else (30 if FULL else 12)
BATCH = 5 if FULL else 6


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[Stage, float]]:
    """A stage, and how long a run takes on it."""
    with product(SYSMGR_WEB_WORKERS="1") as server:
        made = Stage(server)
        yield made, made.measure()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(0, MOMENTS, BATCH))
def test_a_killed_run_succeeds_once(stage: tuple[Stage, float], first: int) -> None:
    staged, seconds = stage
    for number in range(first, first + BATCH):
        # In turns, for the supervisor starts a part that ends again and again ever more slowly.
        everything = number % 2 == 0
        moment = (number + random.Random(number).random()) / MOMENTS * seconds
        victim = "server" if everything else "manager"
        print(f"moment {number} (its seed) of {MOMENTS}: {victim}, {moment:.2f} of {seconds:.2f} s")
        staged.kill(moment, everything=everything)


@pytest.mark.slow
@pytest.mark.parametrize("state", ["backing_up", "activating", "verifying", "committed", "succeeded"])
def test_a_manager_killed_right_after_a_write(stage: tuple[Stage, float], state: str) -> None:
    stage[0].kill_manager_when(state)
