"""One SSH connection: to the host whose key is pinned and to nobody else, logged in by the manager's own key."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from functools import lru_cache

import asyncssh

from .base import AuthenticationRefused, HostKeyChanged, HostKeyMissing, SshKeyUnusable, Unreachable, why
from .host_keys import BadHostKey, algorithms, fingerprint_of, normal
from .ssh_key import key_path, private_key
from .ssh_lean import dial

CONNECT_SECONDS = 15.0
# A peer that is silent is asked for a sign of life every 10 s; after the third one without an answer it is dead.
SILENCE_SECONDS, SILENCES = 10, 3
_CLOSE_SECONDS = 2.0
# AES first: nearly every processor does it in hardware, three times as fast as ChaCha20 (docs/hosts.md).
CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes256-ctr",
    "aes128-ctr",
)
# Its lines about each connection and channel are for debugging; what goes wrong comes as an exception.
asyncssh.set_log_level(logging.ERROR)


@dataclass(frozen=True)
class Address:
    """Where a host is, as whom to log in, and the one key that it may show (`<type> <base64>`)."""

    host: str
    port: int
    user: str
    host_key: str


class _Client(asyncssh.SSHClient):
    """Keeps the key that a host shows in place of the pinned one."""

    shown: asyncssh.SSHKey | None = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Refuse: only the pinned key is right, and that one is not asked about here."""
        self.shown = key
        return False


async def connect(address: Address) -> asyncssh.SSHClientConnection:
    """Return a connection that is logged in; raise Unreachable or one of its kinds, within CONNECT_SECONDS."""
    if not address.host_key:
        raise HostKeyMissing("no host key is pinned: probe the host first")
    try:
        pinned = normal(address.host_key)
        trusted = asyncssh.import_public_key(pinned)
    except (BadHostKey, asyncssh.KeyImportError) as error:
        raise HostKeyMissing(f"the pinned host key is none: {error}") from None
    client = _Client()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await _log_in(address, trusted, client)
    except TimeoutError:
        raise Unreachable(f"no log-in on port {address.port} within {CONNECT_SECONDS:.0f} s") from None
    except asyncssh.HostKeyNotVerifiable:
        assert client.shown is not None
        raise _changed(pinned, client.shown.export_public_key().decode()) from None
    except asyncssh.PermissionDenied:
        raise AuthenticationRefused(f"SSH refuses the manager's key for the user {address.user}") from None
    except OSError as error:
        raise Unreachable(f"port {address.port}: {why(error)}") from None
    except (asyncssh.Error, ValueError) as error:
        raise Unreachable(f"port {address.port}: {error}") from None


async def _log_in(
    address: Address, trusted: asyncssh.SSHKey, client: asyncssh.SSHClient
) -> asyncssh.SSHClientConnection:
    """Log in. All that asyncssh would look up in the home directory or the environment is turned off."""
    try:
        own = _parsed(await asyncio.to_thread(private_key))
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise SshKeyUnusable(f"{key_path()}: {error}") from None
    return await dial(
        address.host,
        address.port,
        client_factory=lambda: client,
        config=None,
        known_hosts=([trusted], [], []),
        server_host_key_algs=algorithms(address.host_key.strip()),  # all: one of another type is a changed key
        x509_trusted_certs=None,
        username=address.user,
        client_keys=[own],
        agent_path=None,
        gss_host=None,
        preferred_auth=["publickey"],
        encryption_algs=list(CIPHERS),
        compression_algs=None,
        login_timeout=CONNECT_SECONDS,
        keepalive_interval=SILENCE_SECONDS,
        keepalive_count_max=SILENCES,
    )


@lru_cache(maxsize=1)
def _parsed(own: bytes) -> asyncssh.SSHKey:
    """Return the manager's key: one for all connections, for as long as its text is the same."""
    return asyncssh.import_private_key(own)


def _changed(pinned: str, shown: str) -> HostKeyChanged:
    return HostKeyChanged(f"the host key changed: {fingerprint_of(pinned)} is pinned, {fingerprint_of(shown)} is shown")


async def hang_up(connection: asyncssh.SSHClientConnection) -> None:
    """Close a connection, also one whose peer is dead."""
    connection.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await connection.wait_closed()
