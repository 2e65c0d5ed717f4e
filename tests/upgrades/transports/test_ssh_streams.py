"""Streams over SSH, by OpenSSH's client and without it: whole, held back, told when they break."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable

import pytest

from tests.sshd import SshHost
from upgrades.transports import ssh_bulk, ssh_connection
from upgrades.transports.base import Result, Unreachable

from .conftest import stand_in, way
from .test_ssh import asked
from .test_ssh_lost import begun
from .test_ssh_refusals import other_key


@pytest.fixture(params=["ssh", "asyncssh"])
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With OpenSSH's client for what is large, and without it."""
    if request.param == "asyncssh":
        monkeypatch.setattr(ssh_bulk, "client", lambda: None)
    elif not ssh_bulk.client():
        pytest.skip("ssh is missing: apt-get install openssh-client")
    return str(request.param)


def test_a_large_stream_arrives_whole_and_costs_no_memory(host: SshHost, client: str) -> None:
    stand_in(host, "sha256sum")
    block, count = os.urandom(512 * 1024), 128

    async def blocks() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield block

    asked(way(host), "x", stdin=blocks)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = asked(way(host), "x", stdin=blocks, seconds=120).output
    assert said.split()[0] == hashlib.sha256(block * count).hexdigest()
    # The expected digest's input is made after the measure; what the stream itself held is a few blocks.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_a_step_that_does_not_read_its_stream_still_tells_why(host: SshHost, client: str) -> None:
    stand_in(host, "echo error no_space payload; exit 14")

    async def blocks() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield bytes(512 * 1024)

    assert asked(way(host), "push", stdin=blocks, seconds=60) == Result(14, "error no_space payload\n")


def test_a_stream_that_fails_ends_the_step_and_says_so(host: SshHost, client: str) -> None:
    stand_in(host, "cat >/dev/null; echo read")

    async def blocks() -> AsyncIterator[bytes]:
        yield b"some"
        raise LookupError("the source went bad")

    with pytest.raises(LookupError, match="went bad"):
        asked(way(host), "push", stdin=blocks, seconds=60)


def test_a_stream_that_the_host_does_not_read_is_held_back_and_given_up(host: SshHost, client: str) -> None:
    stand_in(host, 'echo $$ >"$0.pid"; sleep 20')
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 512 * 1024
            yield bytes(512 * 1024)

    async def scene() -> None:
        with pytest.raises(Unreachable, match="did not end within 4 s"):
            await way(host).run("push", stdin=endless, seconds=4)
        os.kill(await begun(host), signal.SIGKILL)

    asyncio.run(scene())
    assert taken < 24 * 1024 * 1024


BREAKS: dict[str, Callable[[SshHost], None]] = {"killed": SshHost.stop, "silent": SshHost.freeze}


@pytest.mark.parametrize("how", BREAKS)
def test_a_stream_that_is_cut_is_told(host: SshHost, client: str, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(ssh_connection, "SILENCE_SECONDS", 1)
    monkeypatch.setattr(ssh_bulk, "SILENCE_SECONDS", 1)
    stand_in(host, 'echo $$ >"$0.pid"; cat >/dev/null')

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(512 * 1024)

    async def scene() -> float:
        transport = way(host)
        step = asyncio.create_task(transport.run("push", stdin=endless, seconds=60))
        pid = await begun(host)
        await asyncio.to_thread(BREAKS[how], host)
        began = time.monotonic()
        with pytest.raises(Unreachable, match="the connection was lost"):
            await step
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        await transport.close()
        return time.monotonic() - began

    assert asyncio.run(scene()) < 20


def test_openssh_s_client_knows_the_pinned_key_only(host: SshHost) -> None:
    stand_in(host, f"touch '{host.folder}/ran'")
    address = dataclasses.replace(way(host).address, host_key=other_key())
    with pytest.raises(Unreachable, match="Host key verification failed"):
        asyncio.run(ssh_bulk.converse(address, "touch /nowhere", b""))
    assert not (host.folder / "ran").exists()
