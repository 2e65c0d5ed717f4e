"""What every transport offers: run one step of the host-side script, bounded in time and output."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

MAX_OUTPUT = 256 * 1024


def why(error: OSError) -> str:
    """Return what the system calls an error: asyncio's own text of one says the address once more, and no cause."""
    if error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__


def plain(text: str) -> str:
    """Return what a host or its SSH server said, as it may stand in a message: a database takes no NUL, and a terminal
    should get no control characters."""
    return "".join(char if char.isprintable() else "?" for char in text)


Input = bytes | Callable[[], AsyncIterator[bytes]]
"""What a step reads from stdin: bytes, or a function that begins the stream."""


@dataclass(frozen=True)
class Result:
    """The exit code of a step and what it said (cut at MAX_OUTPUT bytes)."""

    code: int
    output: str

    def values(self) -> dict[str, str]:
        """Return the answer's `key value` lines, without control characters; of keys that come twice, the last."""
        pairs = (plain(line).partition(" ") for line in self.output.splitlines())
        return {key: value for key, _, value in pairs}

    @property
    def error(self) -> str:
        """Return `<reason> <detail>` of a failed step."""
        return self.values().get("error", "")


class Unreachable(Exception):
    """The host could not be asked, or did not answer in time: nobody knows what the step did."""

    key = "unreachable"  # of the closed list of reasons (engine/reasons.py)

    def __init__(self, text: str) -> None:
        super().__init__(plain(text))


class HostKeyMissing(Unreachable):
    """No key of the host is pinned: nobody was asked."""

    key = "host_key_missing"


class HostKeyChanged(Unreachable):
    """The host shows another key than the pinned one: nothing was run."""

    key = "host_key_changed"


class AuthenticationRefused(Unreachable):
    """The host does not let the manager's key in: nothing was run."""

    key = "authentication_refused"


class SudoRefused(Unreachable):
    """The host lets the manager in, but sudo does not: the step did not begin."""

    key = "sudo_refused"


class SshKeyUnusable(Unreachable):
    """The manager's own key can't be used: no host was asked."""

    key = "ssh_key_unusable"


class Transport(Protocol):
    """One host."""

    async def install(self) -> None:
        """Put the host-side script in place where it is missing or differs."""

    async def run(self, *words: str, stdin: Input = b"", seconds: float = 600) -> Result:
        """Run one step; raise Unreachable when it can't be asked or does not end in time."""

    async def close(self) -> None:
        """Let go of the host; the next call reaches it anew."""
