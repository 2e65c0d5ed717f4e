"""A small SSH server of asyncssh, where OpenSSH's is missing: `python -m tests.sshd.server FOLDER IP PORT PATH`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import asyncssh


async def _serve(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Run the command of a session, as sshd does: by a shell, its end decides, and a lost client does not end it."""
    environment = {"PATH": sys.argv[4], "HOME": os.environ.get("HOME", "/")}
    child = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        process.command or "",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    # asyncssh's own redirection breaks the connection under a flood: two reads of one pipe at once.
    reading = asyncio.create_task(_into(process.stdin, child.stdin))
    await asyncio.gather(_out(child.stdout, process.stdout), _out(child.stderr, process.stderr))
    code = await child.wait()
    reading.cancel()
    process.exit(code if code >= 0 else 128 - code)


async def _into(source: asyncssh.SSHReader[bytes], pipe: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncssh.Error):
        while block := await source.read(65536):
            pipe.write(block)
            await pipe.drain()
    pipe.close()


async def _out(source: asyncio.StreamReader, sink: asyncssh.SSHWriter[bytes]) -> None:
    while block := await source.read(65536):
        with contextlib.suppress(OSError, asyncssh.Error):
            sink.write(block)
            await sink.drain()


async def main() -> None:
    """Serve until the end of the process."""
    folder = Path(sys.argv[1])
    await asyncssh.listen(
        sys.argv[2],
        int(sys.argv[3]),
        server_host_keys=[str(folder / "host_key")],
        authorized_client_keys=str(folder / "authorized_keys"),
        process_factory=_serve,
        encoding=None,
        config=None,
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
