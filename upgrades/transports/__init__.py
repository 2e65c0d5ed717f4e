"""How the engine reaches a host: the transport that its row names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .base import Transport
from .local import LocalTransport

if TYPE_CHECKING:
    from cluster.models import Host


def transport_of(host: Host) -> Transport:
    """Return the way to a host."""
    if host.transport == host.Transport.LOCAL:
        return LocalTransport(Path(host.root))
    # asyncssh takes half a second and 20 MB: only who speaks SSH pays for it.
    from .ssh import SshTransport
    from .ssh_connection import Address

    address = Address(host.host_ip, host.ssh_port, host.ssh_user or "root", host.host_key)
    return SshTransport(address, host.root, host.ssh_sudo)
