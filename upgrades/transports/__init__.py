"""How the engine reaches a host: the transport that its row names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .base import Input, Result, Transport, Unreachable
from .local import LocalTransport

if TYPE_CHECKING:
    from cluster.models import Host


class _Later:
    """Stands where a transport is not there yet: every call says so."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    async def install(self) -> None:
        """Refuse."""
        raise Unreachable(self.reason)

    async def run(self, *words: str, stdin: Input = b"", seconds: float = 600) -> Result:
        """Refuse."""
        raise Unreachable(self.reason)

    async def close(self) -> None:
        """Nothing is held."""


def transport_of(host: Host) -> Transport:
    """Return the way to a host."""
    if host.transport == host.Transport.LOCAL:
        return LocalTransport(Path(host.root))
    return _Later("SSH hosts come with a later version")
