"""The connection that does less for each packet: what it leaves out, and that it ends as any other does."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_IGNORE

from tests.sshd import SshHost
from upgrades.transports.ssh_lean import LeanConnection, _Gathered, dial

from .conftest import stand_in, way


class Wire(asyncio.Transport):
    """A transport that notes what it is asked to do."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[Any] = []

    def write(self, data: Any) -> None:
        """Note a write."""
        self.done.append(data)

    def abort(self) -> None:
        """Note it."""
        self.done.append("aborted")

    def close(self) -> None:
        """Note it."""
        self.done.append("closed")


def test_what_is_written_in_one_turn_goes_out_together_and_before_the_end() -> None:
    async def scene() -> list[Any]:
        wire = Wire()
        gathered = _Gathered(wire)
        gathered.write(b"a")
        gathered.write(b"b")
        await asyncio.sleep(0)
        gathered.write(b"c")
        gathered.close()
        await asyncio.sleep(0)
        gathered.write(b"never")
        gathered.abort()
        await asyncio.sleep(0)
        return wire.done

    assert asyncio.run(scene()) == [b"ab", b"c", "closed", "aborted"]


def test_no_empty_packet_goes_before_each(host: SshHost, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: list[int] = []
    send = asyncssh.SSHClientConnection.send_packet

    def noted(self: asyncssh.SSHClientConnection, pkttype: int, *args: bytes, **more: Any) -> None:
        kinds.append(pkttype)
        send(self, pkttype, *args, **more)

    monkeypatch.setattr(asyncssh.SSHClientConnection, "send_packet", noted)
    stand_in(host, "cat >/dev/null; echo done")

    async def scene() -> None:
        transport = way(host)
        assert (await transport.run("x", stdin=os.urandom(100_000))).output == "done\n"
        await transport.close()

    asyncio.run(scene())
    assert kinds
    assert MSG_IGNORE not in kinds


def test_who_gives_up_in_the_middle_of_the_log_in_leaves_nothing(host: SshHost) -> None:
    async def scene() -> None:
        loop, complaints = asyncio.get_running_loop(), []
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        for seconds in (0, 0.001, 0.01):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(seconds):
                    await dial(
                        host.host_ip, host.port, config=None, known_hosts=None, client_keys=None, agent_path=None
                    )
        await asyncio.sleep(0.1)
        assert not complaints

    host.freeze()
    asyncio.run(scene())
    host.thaw()


def test_a_connection_is_of_that_kind(host: SshHost) -> None:
    stand_in(host, "echo here")

    async def scene() -> None:
        transport = way(host)
        await transport.run("x")
        assert isinstance(transport._connection, LeanConnection)
        await transport.close()

    asyncio.run(scene())
