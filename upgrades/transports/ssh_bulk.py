"""Large streams over SSH go through OpenSSH's client where it is installed: half the work, and none of it in Python.

Everything else keeps to the one connection of ssh_connection.py, which a bulk stream uses first, to know who is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from .base import MAX_OUTPUT, Input, Unreachable
from .host_keys import normal
from .ssh_connection import CIPHERS, CONNECT_SECONDS, SILENCE_SECONDS, SILENCES, Address
from .ssh_key import key_path
from .ssh_session import COMPLAINT, Said

# A connection of its own costs a tenth of a second: a smaller stream is through by then.
BULK = 8 * 1024 * 1024
_PIPE, _FAILED = 1024 * 1024, 255
_ALIAS = "pinned"


def client() -> str | None:
    """Return OpenSSH's client, or None where it is missing."""
    return shutil.which("ssh")


async def peek(stream: Callable[[], AsyncIterator[bytes]]) -> tuple[Input, bool]:
    """Return the stream, begun and to be read once, and whether it is a bulk."""
    source, first, size = stream(), [], 0
    async for block in source:
        first.append(block)
        size += len(block)
        if size >= BULK:
            break

    async def whole() -> AsyncIterator[bytes]:
        while first:
            yield first.pop(0)
        async for block in source:
            yield block

    return whole, size >= BULK


async def converse(address: Address, command: str, stdin: Input) -> Said:
    """Run a command as ssh_session does; raise Unreachable. Who gives up ends the client, and so the connection."""
    with tempfile.NamedTemporaryFile("w", prefix="sysmgr-") as known, _pipe() as (reading, writing):
        known.write(f"{_ALIAS} {normal(address.host_key)}\n")
        known.flush()
        process = await asyncio.create_subprocess_exec(
            *_call(address, known.name),
            command,
            stdin=reading,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", os.defpath)},
        )
        reading.close()
        feeding = asyncio.create_task(_feed(writing, stdin))
        try:
            return await _talk(process, feeding)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            process._transport.close()  # type: ignore[attr-defined]
            # Without a reader, what waits in a thread to be written ends.
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open a pipe, reading and writing end. asyncio's own pipe to a process may be a pair of sockets, and is written
    to bit by bit in Python: that took as long as the encryption."""
    ends = os.pipe()
    with os.fdopen(ends[0], "rb", buffering=0) as reading, os.fdopen(ends[1], "wb", buffering=0) as writing:
        with contextlib.suppress(OSError):  # a larger pipe saves switching to and fro
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE)
        yield reading, writing


async def _feed(pipe: BinaryIO, stdin: Input) -> None:
    """Write the stream at the pace at which it is read, and close the pipe. A thread of its own writes: one that waits
    for a slow host must keep nobody else waiting."""
    thread, written = ThreadPoolExecutor(1), None
    try:
        # The step may refuse before it has read everything; its exit code tells why.
        with contextlib.suppress(BrokenPipeError):
            async for block in _blocks(stdin):
                written = asyncio.get_running_loop().run_in_executor(thread, _write, pipe, block)
                await asyncio.shield(written)
    finally:
        if written is not None:
            await asyncio.wait([written])  # nobody closes what another thread writes to
        thread.shutdown(wait=False)
        pipe.close()  # also when the source fails: a step that waits for the rest would wait for ever


async def _blocks(stdin: Input) -> AsyncIterator[bytes]:
    if isinstance(stdin, bytes):
        yield stdin
    else:
        async for block in stdin():
            yield block


def _write(pipe: BinaryIO, block: bytes) -> None:
    left = memoryview(block)
    while left:
        left = left[pipe.write(left) :]


def _call(address: Address, known: str) -> list[str]:
    """Return the client's call: no configuration, no agent, no other key, one host key."""
    options = {
        "BatchMode": "yes",
        "Ciphers": ",".join(CIPHERS),
        "ClearAllForwardings": "yes",
        "Compression": "no",
        "ConnectTimeout": f"{CONNECT_SECONDS:.0f}",
        "ControlPath": "none",
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": _ALIAS,
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "LogLevel": "ERROR",
        "PreferredAuthentications": "publickey",
        "RequestTTY": "no",
        "ServerAliveCountMax": str(SILENCES),
        "ServerAliveInterval": str(SILENCE_SECONDS),
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "UserKnownHostsFile": known,
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    where = ("-i", str(key_path()), "-l", address.user, "-p", str(address.port), address.host)
    return [client() or "ssh", "-F", "none", *words, *where]


async def _talk(process: asyncio.subprocess.Process, feeding: asyncio.Task[None]) -> Said:
    assert process.stdout is not None and process.stderr is not None
    complaining = asyncio.create_task(_head(process.stderr))
    try:
        output = b""
        while block := await process.stdout.read(65536):
            output = (output + block)[-MAX_OUTPUT:]
        complaint = await complaining
        code = await process.wait()
        await feeding
    finally:
        complaining.cancel()
    if code == _FAILED or code < 0:
        said = (complaint.strip().splitlines() or [f"exit {code}"])[-1]
        raise Unreachable(f"the connection was lost in the step ({said[:200]})")
    return Said(code, output.decode(errors="replace"), complaint)


async def _head(stderr: asyncio.StreamReader) -> str:
    """Read stderr to its end and return how it began."""
    head = b""
    while block := await stderr.read(65536):
        head += block[: COMPLAINT - len(head)]
    return head.decode(errors="replace")
