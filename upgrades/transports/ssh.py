"""The SSH transport: one connection for a host and a run, one remote command a step."""

from __future__ import annotations

import asyncio
import re
import shlex

import asyncssh

from upgrades import agent

from . import ssh_bulk
from .base import Input, Result, SudoRefused, Unreachable
from .ssh_connection import Address, connect, hang_up
from .ssh_session import Conversation, Said

_INSTALL_SECONDS = 60.0
_WORD = re.compile(r"[A-Za-z0-9._/:@+-]+")
# One line without `!`: a login shell may be any, even csh. A draft that did not come whole never becomes the script;
# its digest decides only whether it is needed, so that a host without sha256sum can still say what it lacks.
_PUT = (
    'PATH="$PATH:/usr/bin:/bin"; umask 077; cd "$1" 2>/dev/null || exit 3; a=.sysmgr/agent; '
    'case $(sha256sum 2>/dev/null <$a) in "$2 "*) exit 0 ;; esac; mkdir -p .sysmgr || exit 4; d=.sysmgr/.agent.$$; '
    '{ cat >$d && [ $(wc -c <$d) -eq "$3" ] && mv -f $d $a; } || { rm -f $d; exit 4; }'
)
_NOT_THERE = 3


class SshTransport:
    """Runs the host-side script below `root` on a host of its own."""

    def __init__(self, address: Address, root: str, sudo: bool) -> None:
        self.address, self.root, self.sudo = address, root, sudo
        self._connection: asyncssh.SSHClientConnection | None = None
        self._connecting = asyncio.Lock()

    async def install(self) -> None:
        """Put the script in place by one command and one rename; nothing is written where the host has it."""
        script = agent.script()
        words = ("-c", _PUT, "sysmgr", self.root, agent.digest(), str(len(script)))
        said = await self._ask("install", words, script, _INSTALL_SECONDS)
        if said.code == _NOT_THERE:
            raise Unreachable(f"{self.root} is not there")
        if said.code:
            raise Unreachable(f"can't put the script below {self.root}: {_last(said.complaint) or f'exit {said.code}'}")

    async def run(self, *words: str, stdin: Input = b"", seconds: float = 600) -> Result:
        """Run one step. When it does not end in time the connection is closed, so that the step reads and says
        nothing more; it is killed where the host does that, else it goes on and holds the host's lock to its end."""
        if not all(map(_WORD.fullmatch, words)):
            raise ValueError(f"not every word may go to a host: {words}")
        said = await self._ask(words[0], (f"{self.root}/.sysmgr/agent", *words), stdin, seconds)
        return Result(said.code, said.output)

    async def close(self) -> None:
        """Hang up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await hang_up(connection)

    async def _ask(self, step: str, words: tuple[str, ...], stdin: Input, seconds: float) -> Said:
        """Run `sh` with these words on the host; raise Unreachable or one of its kinds."""
        command = shlex.join((*(("sudo", "-n") if self.sudo else ()), "sh", *words))
        talk: Conversation | None = None
        try:
            async with asyncio.timeout(seconds):
                bulk = False
                if not isinstance(stdin, bytes) and ssh_bulk.client():
                    stdin, bulk = await ssh_bulk.peek(stdin)
                if bulk:
                    await self._connected()  # who is there, and whether he lets the manager in, is told here
                    said = await ssh_bulk.converse(self.address, command, stdin)
                else:
                    talk = await self._begin(command)
                    said = await talk.hold(stdin)
        except TimeoutError:
            if talk is not None:
                talk.kill()
            await self.close()
            raise Unreachable(f"the step {step} did not end within {seconds:.0f} s") from None
        finally:
            if talk is not None:
                talk.leave()
        if self.sudo and said.code in (1, 127) and not said.output and "sudo:" in said.complaint:
            raise SudoRefused(f"sudo refuses the user {self.address.user}: {_last(said.complaint)}")
        return said

    async def _begin(self, command: str) -> Conversation:
        """Begin a command. No terminal, no forwarding, and nothing of this process's environment goes with it."""
        connection = await self._connected()
        talk = Conversation()
        try:
            await connection.create_session(
                lambda: talk, command, encoding=None, env={}, send_env=[], request_pty=False
            )
        except (asyncssh.Error, OSError) as error:
            await self.close()
            raise Unreachable(f"the host began no command: {error}") from None
        return talk

    async def _connected(self) -> asyncssh.SSHClientConnection:
        """Return the connection, a new one where there is none or it was lost."""
        async with self._connecting:
            if self._connection is None or self._connection.is_closed():
                self._connection = None
                self._connection = await connect(self.address)
            return self._connection


def _last(complaint: str) -> str:
    """Return the last line of stderr, short and printable."""
    line = (complaint.strip().splitlines() or [""])[-1]
    return "".join(char for char in line if char.isprintable())[:200]
