"""The local transport: a directory of this machine is a host."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from upgrades import agent

from .base import MAX_OUTPUT, Input, Result, Unreachable


class LocalTransport:
    """Runs the host-side script of a directory with this machine's sh."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._script = root / ".sysmgr" / "agent"

    async def install(self) -> None:
        """Put the script in place by one rename."""
        await asyncio.to_thread(self._install)

    def _install(self) -> None:
        try:
            if self._script.exists() and self._script.read_bytes() == agent.script():
                return
            if not self.root.is_dir():
                raise Unreachable(f"{self.root} is not there")
            self._script.parent.mkdir(exist_ok=True, mode=0o700)
            draft = self._script.with_name(f".agent.{os.getpid()}")
            draft.write_bytes(agent.script())
            draft.replace(self._script)
        except OSError as error:
            raise Unreachable(f"{self.root}: {error.strerror}") from None

    async def run(self, *words: str, stdin: Input = b"", seconds: float = 600) -> Result:
        """Run one step in a session of its own: a manager that is killed does not kill the step."""
        try:
            process = await asyncio.create_subprocess_exec(
                "sh",
                str(self._script),
                *words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:  # no process or file is left to be had, say
            raise Unreachable(f"sh can't be started: {error.strerror}") from None
        try:
            async with asyncio.timeout(seconds):
                return await self._converse(process, stdin)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await _ended(process)
            raise Unreachable(f"the step {words[0]} did not end within {seconds:.0f} s") from None
        finally:
            # asyncio leaves this to callbacks that may come after the loop; of a step that goes on it would be its end.
            if process.returncode is not None:
                process._transport.close()  # type: ignore[attr-defined]

    async def close(self) -> None:
        """Nothing is held."""

    async def _converse(self, process: asyncio.subprocess.Process, stdin: Input) -> Result:
        assert process.stdin is not None and process.stdout is not None
        feeding = asyncio.create_task(feed(process.stdin, stdin))
        try:
            output = b""
            while block := await process.stdout.read(65536):
                output = (output + block)[-MAX_OUTPUT:]
            code = await process.wait()
            await feeding
            return Result(code, output.decode(errors="replace"))
        finally:
            feeding.cancel()


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Wait for a killed step, and for the end of its output: only then does asyncio let go of the pipes."""
    assert process.stdout is not None
    await process.wait()
    # A hook that left the session may hold the pipe: it is not waited for.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2):
            while await process.stdout.read(65536):
                pass


async def feed(pipe: asyncio.StreamWriter, stdin: Input) -> None:
    """Write a step's input at the pace at which it is read, and close the pipe."""
    try:
        # A step may refuse before it has read everything; its exit code tells why.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if isinstance(stdin, bytes):
                pipe.write(stdin)
            else:
                async for block in stdin():
                    pipe.write(block)
                    await pipe.drain()
            await pipe.drain()
    finally:
        pipe.close()  # also when the source fails: a step that waits for the rest would wait for ever
