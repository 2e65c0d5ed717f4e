"""asyncssh's connection with less work for each packet: what it sends at once goes out in one system call."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncssh
from asyncssh.channel import SSHChannel
from asyncssh.constants import MSG_IGNORE
from asyncssh.packet import SSHPacketLogger


class _Gathered(asyncio.Transport):
    """A transport that writes what comes in one turn of the loop together. How much waits is bounded by the channels'
    windows, as it is in asyncssh itself."""

    def __init__(self, beneath: asyncio.Transport) -> None:
        super().__init__()
        self._beneath = beneath
        self._parts: list[bytes] = []

    def write(self, data: Any) -> None:
        """Keep it for the end of this turn."""
        if not self._parts:
            asyncio.get_running_loop().call_soon(self._flush)
        self._parts.append(data)

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts:
            self._beneath.write(b"".join(parts))

    def close(self) -> None:
        """Close after what was written."""
        self._flush()
        self._beneath.close()

    def abort(self) -> None:
        """Close at once."""
        self._parts = []
        self._beneath.abort()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._beneath.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the transport beneath knows."""
        return self._beneath.get_extra_info(name, default)


class _Unheard(SSHPacketLogger):
    """Nobody reads a line about each packet (ssh_connection.py): it is not even put together."""

    def log_sent_packet(self, pkttype: int, pktid: int | None, packet: Any, note: str = "") -> None:
        """Say nothing."""

    def log_received_packet(self, pkttype: int, pktid: int | None, packet: Any, note: str = "") -> None:
        """Say nothing."""


_UNHEARD = _Unheard()


class LeanConnection(asyncssh.SSHClientConnection):
    """A client's connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, with writes that are gathered."""
        assert isinstance(transport, asyncio.Transport)
        super().connection_made(_Gathered(transport))

    def add_channel(self, chan: SSHChannel[Any]) -> int:
        """Take a command's channel in; of what it receives nobody hears either."""
        chan.log_received_packet = _UNHEARD.log_received_packet  # type: ignore[method-assign]
        return super().add_channel(chan)

    def send_packet(self, pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None) -> None:
        """Send a packet, without the empty one that asyncssh puts before each: it hides the chained state of CBC
        ciphers (RFC 4251, 9.3.1), and none of ours is one."""
        if pkttype != MSG_IGNORE:
            super().send_packet(pkttype, *args, handler=_UNHEARD)


async def dial(host: str, port: int, **options: Any) -> asyncssh.SSHClientConnection:
    """Do what asyncssh.connect does, which has no place for a connection of another class."""
    loop = asyncio.get_running_loop()
    told = asyncssh.SSHClientConnectionOptions(host=host, port=port, **options)
    told.waiter = loop.create_future()
    try:
        _, connection = await loop.create_connection(lambda: LeanConnection(loop, told, wait="auth"), host, port)
    except BaseException:
        told.waiter.cancel()  # it may be told of an end that nobody waits for
        raise
    try:
        await told.waiter
    except BaseException:
        connection.abort()
        await connection.wait_closed()
        raise
    return connection
