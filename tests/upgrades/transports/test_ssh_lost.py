"""Connections that break, hosts that go silent, steps that do not end: bounded, told, and reached anew."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sshd import SshHost
from upgrades.transports import ssh_connection
from upgrades.transports.base import Result, Unreachable
from upgrades.transports.ssh import SshTransport

from .conftest import stand_in, way

WAITS = 'echo $$ >"$0.pid"; n=0; while [ $n -lt 300 ]; do sleep 0.1; n=$((n + 1)); done; echo "$*" >>"$0.ended"'


async def begun(host: SshHost) -> int:
    """Wait until the step that stands in runs; return its process."""
    file = host.root / ".sysmgr" / "agent.pid"
    for _ in range(400):
        if file.exists() and file.read_text().strip():
            return int(file.read_text())
        await asyncio.sleep(0.05)
    raise AssertionError("the step did not begin")


async def disturbed(transport: SshTransport, host: SshHost, disturb: Callable[[], None], seconds: float = 60) -> str:
    """Break a step that runs; return what the transport says."""
    step = asyncio.create_task(transport.run("verify", seconds=seconds))
    pid = await begun(host)
    await asyncio.to_thread(disturb)
    try:
        with pytest.raises(Unreachable) as caught:
            await step
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return str(caught.value)


def test_a_server_that_is_killed_in_mid_step_is_told_and_reached_anew(host: SshHost) -> None:
    stand_in(host, WAITS)

    async def scene() -> tuple[str, Result]:
        transport = way(host)
        told = await disturbed(transport, host, host.stop)
        with pytest.raises(Unreachable, match=f"port {host.port}"):
            await transport.run("x")
        await asyncio.to_thread(host.start)
        stand_in(host, "echo back")
        try:
            return told, await transport.run("x")
        finally:
            await transport.close()

    told, answer = asyncio.run(scene())
    assert "the connection was lost" in told
    assert answer == Result(0, "back\n")


def test_a_host_that_went_down_and_came_back_between_two_steps_is_reached(host: SshHost) -> None:
    stand_in(host, "echo here")

    async def scene() -> None:
        transport = way(host)
        assert (await transport.run("x")).code == 0
        await asyncio.to_thread(host.crash)
        await asyncio.to_thread(host.start)
        await asyncio.sleep(0.2)
        assert await transport.run("x") == Result(0, "here\n")
        await transport.close()

    asyncio.run(scene())


def test_a_silent_host_is_given_up_long_before_the_step_is(host: SshHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_connection, "SILENCE_SECONDS", 0.3)
    stand_in(host, WAITS)

    async def scene() -> str:
        return await disturbed(way(host), host, host.freeze, seconds=600)

    began = time.monotonic()
    told = asyncio.run(scene())
    assert "not responding" in told
    assert time.monotonic() - began < 20


def test_a_step_that_does_not_end_is_given_up_and_the_next_one_runs(host: SshHost) -> None:
    stand_in(host, WAITS)

    async def scene() -> tuple[str, Result]:
        transport = way(host)
        told = await disturbed(transport, host, lambda: None, seconds=2)
        stand_in(host, "echo next")
        try:
            return told, await transport.run("x")
        finally:
            await transport.close()

    told, answer = asyncio.run(scene())
    assert told == "the step verify did not end within 2 s"
    assert answer == Result(0, "next\n")


def test_who_is_cancelled_leaves_the_step_to_itself(host: SshHost) -> None:
    stand_in(host, 'echo $$ >"$0.pid"; cat >/dev/null; sleep 0.5; echo done >"$0.ended"')

    async def scene() -> None:
        transport = way(host)
        step = asyncio.create_task(transport.run("activate"))
        await begun(host)
        step.cancel()
        with pytest.raises(asyncio.CancelledError):
            await step
        await transport.close()

    asyncio.run(scene())
    assert _appears(host.root / ".sysmgr" / "agent.ended")


def test_closing_twice_and_before_anything_is_fine(host: SshHost) -> None:
    async def scene() -> None:
        transport = way(host)
        await transport.close()
        stand_in(host, "echo x")
        await transport.run("x")
        await transport.close()
        await transport.close()

    asyncio.run(scene())


def _appears(file: Path) -> bool:
    deadline = time.monotonic() + 10
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return file.exists()
