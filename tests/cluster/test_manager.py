"""`manage.py run_manager` as real processes on the test's own database: who leads, and who takes over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from cluster.members import member_list
from cluster.models import LeaderLease
from sysmgr import env

pytestmark = pytest.mark.django_db(transaction=True)
TTL = 3
WAIT_SECONDS = 30.0
Start = Callable[[str], "subprocess.Popen[str]"]


def database_url() -> str:
    facts: dict[str, Any] = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{facts['NAME']}"
    return f"postgres://{facts['USER']}@{facts['HOST']}:{facts['PORT']}/{facts['NAME']}"


@pytest.fixture
def start() -> Iterator[Start]:
    """Start managers; whatever still runs at the end is ended."""
    running: list[subprocess.Popen[str]] = []

    def one(address: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "DATABASE_URL": database_url(), "SYSMGR_ADDRESS": address}
        environment |= {"SYSMGR_LEASE_TTL_SECONDS": str(TTL), "SYSMGR_DATA_DIR": str(env.DATA_DIR)}
        command = [sys.executable, str(Path(env.BASE_DIR) / "manage.py"), "run_manager"]
        running.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
        return running[-1]

    yield one
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.communicate(timeout=10)


def wait_for_leader(address: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if LeaderLease.objects.filter(address=address).exists() and member_list()["leader"] == address:
            return
        time.sleep(0.1)
    raise AssertionError(f"{address} does not lead: {member_list()}")


def test_a_manager_leads_and_gives_the_lead_back(start: Start) -> None:
    first = start("127.0.0.1")
    wait_for_leader("127.0.0.1")
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=10) == 0
    assert member_list() == {"leader": "", "candidates": [], "ready": False, "alias_source": ""}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="replicas need PostgreSQL")
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
def test_the_next_one_takes_over_with_a_higher_term(start: Start, sign: signal.Signals) -> None:
    first = start("127.0.0.1")
    wait_for_leader("127.0.0.1")
    start("127.0.0.2")
    deadline = time.monotonic() + WAIT_SECONDS
    while len(member_list()["candidates"]) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert member_list()["candidates"] == ["127.0.0.1", "127.0.0.2"]
    first.send_signal(sign)
    wait_for_leader("127.0.0.2")
    assert LeaderLease.objects.get().term == 2
    if sign == signal.SIGSTOP:
        # It wakes up late, finds that it lost, and ends so that its supervisor starts it anew.
        first.send_signal(signal.SIGCONT)
        assert first.wait(timeout=WAIT_SECONDS) == 3
        assert LeaderLease.objects.get().term == 2


@pytest.mark.skipif(connection.vendor != "sqlite", reason="on PostgreSQL a second manager is welcome")
def test_on_sqlite_a_second_manager_is_refused_in_one_line(start: Start) -> None:
    start("127.0.0.1")
    wait_for_leader("127.0.0.1")
    second = start("127.0.0.2")
    _, told = second.communicate(timeout=WAIT_SECONDS)
    assert second.returncode == 1
    assert len(told.strip().splitlines()) == 1 and "another manager holds" in told
