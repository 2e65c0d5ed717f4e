"""What the transport's tests share: one SSH host of each kind, and the way to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sshd import KINDS, SSHD, SshHost, sshd_hosts
from upgrades.transports.ssh import SshTransport
from upgrades.transports.ssh_connection import Address


@pytest.fixture(params=KINDS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SshHost]:
    """A host of OpenSSH and one of asyncssh; its root has a blank and a quote in its name."""
    if request.param == "openssh" and not SSHD:
        pytest.skip("sshd is missing: apt-get install openssh-server")
    with sshd_hosts(1, tmp_path, kind=request.param, root="it's a root") as hosts:
        yield hosts[0]


def way(host: SshHost, *, sudo: bool = False, **changed: Any) -> SshTransport:
    """Return a transport to the host, with what is changed in its address."""
    address = Address(host.host_ip, host.port, host.user, host.host_key)
    return SshTransport(dataclasses.replace(address, **changed), str(host.root), sudo)


def stand_in(host: SshHost, text: str) -> None:
    """Put a script in the place of the host's own, which says or does what a test needs."""
    (host.root / ".sysmgr").mkdir(exist_ok=True)
    (host.root / ".sysmgr" / "agent").write_text(text)
