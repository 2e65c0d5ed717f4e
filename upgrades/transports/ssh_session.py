"""One remote command over an SSH connection: stdin streamed at the host's pace, output kept to a bound."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import asyncssh

from .base import MAX_OUTPUT, Input, Unreachable

COMPLAINT = 1024
# What a daemon that the command started keeps open is not waited for longer than this after the command's end.
_GRACE_SECONDS = 5.0
_PIECE = 32 * 1024  # a packet: asyncssh copies what is larger twice more
_SIGNALS = {"HUP": 1, "INT": 2, "QUIT": 3, "ABRT": 6, "KILL": 9, "SEGV": 11, "PIPE": 13, "TERM": 15}


@dataclass(frozen=True)
class Said:
    """What came of a command: exit code (negative: ended by that signal), the end of stdout, how stderr began."""

    code: int
    output: str
    complaint: str


class Conversation(asyncssh.SSHClientSession[bytes]):
    """The callbacks of one command's channel."""

    def __init__(self) -> None:
        self._output, self._complaint = bytearray(), bytearray()
        self._code: int | None = None
        self._free = asyncio.Event()
        self._free.set()
        self._over: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._grace: asyncio.TimerHandle | None = None

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """Keep the channel."""
        self._channel = chan

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Keep the end of stdout, and of stderr the beginning, by which a refusal is known."""
        if datatype is not None:
            self._complaint += data[: COMPLAINT - len(self._complaint)]
            return
        self._output += data
        if len(self._output) > 2 * MAX_OUTPUT:
            del self._output[:-MAX_OUTPUT]

    def eof_received(self) -> bool:
        """Keep the channel: the exit code is to come."""
        return True

    def exit_status_received(self, status: int) -> None:
        """Note the exit code."""
        self._end(status)

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        """Note which signal ended the command."""
        self._end(-_SIGNALS.get(signal, 127))

    def _end(self, code: int) -> None:
        self._code = code
        self._grace = asyncio.get_running_loop().call_later(_GRACE_SECONDS, self.connection_lost, None)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the waiting: the channel was closed, or its connection lost."""
        if self._grace is not None:
            self._grace.cancel()
        if not self._over.done():
            self._over.set_result(exc)
        self._free.set()

    def pause_writing(self) -> None:
        """Wait with more: the host does not keep up."""
        self._free.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self._free.set()

    async def hold(self, stdin: Input) -> Said:
        """Feed the command and wait for its end; raise Unreachable when nobody knows how it ended."""
        feeding = asyncio.create_task(self._feed(stdin))
        try:
            lost = await self._over
            await feeding
        finally:
            feeding.cancel()
        if self._code is None:
            raise Unreachable(f"the connection was lost in the step ({lost or 'it ended without an exit code'})")
        output = bytes(self._output[-MAX_OUTPUT:]).decode(errors="replace")
        return Said(self._code, output, bytes(self._complaint).decode(errors="replace"))

    async def _feed(self, stdin: Input) -> None:
        try:
            # A command may end before it has read everything; its exit code tells why.
            with contextlib.suppress(BrokenPipeError):
                if isinstance(stdin, bytes):
                    self._channel.write(stdin)
                else:
                    async for block in stdin():
                        for begin in range(0, len(block), _PIECE):
                            self._channel.write(block[begin : begin + _PIECE])
                        await self._free.wait()
        finally:
            # Also when the source fails: a command that waits for the rest would wait for ever.
            with contextlib.suppress(OSError):
                self._channel.write_eof()

    def kill(self) -> None:
        """Ask the host to end the command. OpenSSH does so only where the user is not root."""
        with contextlib.suppress(OSError):
            self._channel.kill()

    def leave(self) -> None:
        """Close the channel, whatever the command does."""
        self._channel.abort()
