"""A refused log-in says neither by its words nor by its time whether there is such a user."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

from cluster.models import Cluster
from sysmgr import env
from sysmgr.accounts import hashing
from sysmgr.accounts.models import Role, User

from .calls import enter_api, person, policy

ROUNDS, MEASURED = 5, 3
# A skipped hash halves the time or more; what else differs is far below this, on a busy machine too.
MARGIN = 0.35
NAMES = ("anna", "nobody", "off", "without")


@pytest.fixture(autouse=True)
def people(cluster: Cluster, dear_hashes: None) -> None:
    """A known user, one that is switched off, one that has no password; and no lock in the way."""
    policy(cluster, login_fail_retry_times=0)
    person()
    person("off", is_active=False)
    User.objects.create_user("without", None, role=Role.AUDITOR)


def medians(attempt: Callable[[str], Any]) -> dict[str, float]:
    """Ask for each in turn, so that whatever else the machine does falls on all of them."""
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    for name in NAMES:
        attempt(name)
    for _ in range(ROUNDS):
        for name in NAMES:
            begin = time.perf_counter()
            attempt(name)
            found[name].append(time.perf_counter() - begin)
    return {name: statistics.median(times) for name, times in found.items()}


def told_apart(attempt: Callable[[str], Any]) -> set[str]:
    """Return who is told from a known user by the time alone, each time that it is measured.

    A leak is there every time; what a busy machine does is not.
    """
    found = set(NAMES)
    for _ in range(MEASURED):
        times = medians(attempt)
        known = times["anna"]
        found &= {name for name, median in times.items() if abs(median - known) > MARGIN * known}
        if not found:
            break
    return found


def wrong(name: str) -> Any:
    answer = enter_api("wrong", name)
    assert answer.status_code == 401
    return answer


def test_known_and_unknown_users_take_the_same_time() -> None:
    assert told_apart(wrong) == set()


def test_a_hash_left_out_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = hashing.matches
    monkeypatch.setattr(hashing, "matches", lambda password, encoded: bool(encoded) and real(password, encoded))
    assert told_apart(wrong) == {"nobody"}


def test_the_password_of_an_old_client_takes_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "LEGACY_LOGIN", True)
    assert told_apart(lambda name: enter_api("0" * 32, name)) == set()


def test_they_answer_alike() -> None:
    answers = [wrong(name) for name in NAMES]
    assert len({answer.content for answer in answers}) == 1
    headers = [{key: value for key, value in answer.items() if key != "X-Request-Id"} for answer in answers]
    assert all(each == headers[0] for each in headers)
