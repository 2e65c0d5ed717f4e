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
from collections.abc import AsyncIterator, Callable

from .base import MAX_OUTPUT, Input, Unreachable
from .host_keys import normal
from .local import feed
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
    with tempfile.NamedTemporaryFile("w", prefix="sysmgr-") as known:
        known.write(f"{_ALIAS} {normal(address.host_key)}\n")
        known.flush()
        process = await asyncio.create_subprocess_exec(
            *_call(address, known.name),
            command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", os.defpath)},
        )
        try:
            return await _talk(process, stdin)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            process._transport.close()  # type: ignore[attr-defined]


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


async def _talk(process: asyncio.subprocess.Process, stdin: Input) -> Said:
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    with contextlib.suppress(OSError):  # a larger pipe saves switching to and fro
        fcntl.fcntl(process.stdin.transport.get_extra_info("pipe").fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
    feeding = asyncio.create_task(feed(process.stdin, stdin))
    complaining = asyncio.create_task(_head(process.stderr))
    try:
        output = b""
        while block := await process.stdout.read(65536):
            output = (output + block)[-MAX_OUTPUT:]
        complaint = await complaining
        code = await process.wait()
        await feeding
    finally:
        feeding.cancel()
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
