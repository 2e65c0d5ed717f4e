"""Probes that are programs: only what the machine's owner put into SYSMGR_PROBE_DIR is run, and only by its name."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
from collections.abc import Sequence
from pathlib import Path

from cluster.probes import NAME
from sysmgr import env

from .unusable import Unusable

GRACE = 3.0  # seconds for the end of what was killed
_TEXT = 200
_OUTPUT = 8192
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


async def ask(name: str, words: Sequence[str], seconds: int) -> str:
    """Run a program with `words`; empty when it exits with 0, else the first line that it said.

    It gets no stdin and nothing of our environment, at most `seconds`, and its process group does not outlive it.
    Raises Unusable where it is not there, or others could have written it.
    """
    path = await asyncio.to_thread(_checked, name)
    try:
        process = await asyncio.create_subprocess_exec(
            str(path),
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PATH": _PATH, "LC_ALL": "C"},
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise Unusable(f"{name} can't be run: {error.strerror}") from None
    said = bytearray()
    reading = asyncio.create_task(_read(process.stdout, said))
    try:
        async with asyncio.timeout(seconds):
            code = await _exit(process)
            # What it said last may still be in the pipe, which a process that it left behind may hold open.
            await asyncio.wait([reading], timeout=0.5)
    except TimeoutError:
        return f"{name} did not end within {seconds} s"
    finally:
        await _end(process, reading)
    lines = said.decode(errors="replace").splitlines()
    text = "".join(letter if letter.isprintable() else "?" for letter in lines[0][:_TEXT]) if lines else ""
    return "" if code == 0 else f"{name}: {text or f'exit {code}'}"


def _checked(name: str) -> Path:
    """Return the program's path, or raise Unusable: nobody but root and this account may be able to change it."""
    if not NAME.fullmatch(name):
        raise Unusable(f"{name!r} is no name of a program")
    folder = env.PROBE_DIR
    for path in (folder, folder / name):
        try:
            found = path.lstat() if path != folder else path.stat()
        except OSError as error:
            raise Unusable(f"{path}: {error.strerror}") from None
        if path != folder and not stat.S_ISREG(found.st_mode):
            raise Unusable(f"{path} is no file; links are not followed")
        if found.st_uid not in (0, os.geteuid()) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise Unusable(f"{path} belongs to, or can be written by, others (chmod go-w)")
    if not os.access(path, os.X_OK):
        raise Unusable(f"{path} can't be executed (chmod u+x)")
    return path


async def _read(pipe: asyncio.StreamReader | None, said: bytearray) -> None:
    """Keep the beginning and drop the rest, so that a program that talks much still ends."""
    assert pipe is not None
    while block := await pipe.read(65536):
        said += block[: _OUTPUT - len(said)]


async def _exit(process: asyncio.subprocess.Process) -> int:
    """Return the exit code; asyncio's own wait also waits for the pipe, which others may hold open."""
    while process.returncode is None:
        await asyncio.sleep(0.02)
    return process.returncode


async def _end(process: asyncio.subprocess.Process, reading: asyncio.Task[None]) -> None:
    """End whatever is left of the program's group, and let go of its pipe."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE - 1):
            await _exit(process)
            await asyncio.wait([reading], timeout=0.5)
    reading.cancel()
    if process.returncode is not None:
        process._transport.close()  # type: ignore[attr-defined]  # as transports/local.py does
