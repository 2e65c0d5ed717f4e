"""Five thousand wrong log-ins with different names from one source: others go on reading, and memory stays flat."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.server.processes import children
from tests.server.product import Product, clean_environment, product

ATTEMPTS, AT_ONCE = 5000, 64  # 42 wait for a hash, some are kept waiting for their 429, the others ask again at once
SECONDS = 4.0
SHARE = 0.4  # of the speed without a flood; the bound
GROWTH_MIB = 64  # one hash takes 16 MiB while it is made, in each worker
# Its own process: the readers' client must not share an interpreter with it.
FLOOD = """
import sys, threading, http.client, itertools, collections
port, count, threads = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
numbers, told = iter(range(count)), collections.Counter()
def work():
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for number in numbers:
        body = '{"user": "nobody-%d", "password": "wrong"}' % number
        connection.request("POST", "/v1/authentication/login", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        told[answer.status] += 1
workers = [threading.Thread(target=work) for _ in range(threads)]
[worker.start() for worker in workers]
[worker.join() for worker in workers]
print(dict(told))
"""


def resident_mib(pid: int) -> float:
    """Return the memory of a process and of everything below it, shared pages counted once each."""
    total = 0.0
    for each in [pid, *children(pid)]:
        for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) / 1024
    return total


def reads_a_second(url: str, token: str, going: Callable[[], bool]) -> float:
    """Read as fast as one client can for some seconds, at most as long as `going`."""
    done, begin = 0, time.monotonic()
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False) as client:
        while time.monotonic() - begin < SECONDS and going():
            assert client.get(url).status_code == 200
            done += 1
    return done / (time.monotonic() - begin)


def flood(made: Product, count: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", FLOOD, str(made.port), str(count), str(AT_ONCE)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=clean_environment())


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.skipif(os.environ.get("SYSMGR_FULL") != "1", reason="measures: beside other tests it would measure them")
def test_a_flood_of_wrong_log_ins_leaves_readers_their_speed() -> None:
    with product() as made:
        token = made.log_in()["token"]
        url = f"{made.base}/v1/system/setting/inspect"
        flood(made, 60).communicate(timeout=60)  # every worker has made its hashes and its threads
        reads_a_second(url, token, lambda: True)
        before = resident_mib(made.launched().pid)
        alone = reads_a_second(url, token, lambda: True)
        running = flood(made, ATTEMPTS)
        try:
            beside = reads_a_second(url, token, lambda: running.poll() is None)
            told, _ = running.communicate(timeout=100)
        finally:
            running.kill()
            running.communicate()
        statuses = eval(told)  # noqa: S307 - what our own script printed
        assert sum(statuses.values()) == ATTEMPTS and set(statuses) <= {401, 429}
        growth = resident_mib(made.launched().pid) - before
        print(f"reads/s alone {alone:.0f}, beside the flood {beside:.0f}; grew by {growth:.0f} MiB; {statuses}")
        assert growth <= GROWTH_MIB
        assert beside >= SHARE * alone
