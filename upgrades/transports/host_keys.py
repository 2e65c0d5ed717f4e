"""Host keys: their line `<type> <base64>`, the fingerprint that people compare, and what a host shows on its port."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib

from .base import Unreachable, why

# In the order in which they are asked for: the same host always shows the same one of its keys.
TYPES = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),  # never signed with SHA-1
}
READ_SECONDS = 15.0


class BadHostKey(ValueError):
    """The text is no host key."""


def normal(line: str) -> str:
    """Return `<type> <base64>` of a line as ssh-keyscan or a .pub file has it, without comment; raise BadHostKey."""
    kind, _, rest = line.strip().partition(" ")
    text = rest.strip().partition(" ")[0]
    if kind not in TYPES:
        raise BadHostKey(f"its type is none of {', '.join(TYPES)}")
    try:
        blob = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadHostKey("the part after the type is no base64") from None
    # The blob begins with its own type (RFC 4253, 6.6); one that says another would be matched with nothing.
    if not blob.startswith(len(kind).to_bytes(4, "big") + kind.encode()) or len(blob) < len(kind) + 4 + 32:
        raise BadHostKey(f"the part after the type is no key of type {kind}")
    return f"{kind} {base64.b64encode(blob).decode()}"


def fingerprint_of(host_key: str) -> str:
    """Return `SHA256:<base64>` of a host key's line, as `ssh-keygen -l` shows it; raise BadHostKey."""
    blob = base64.b64decode(normal(host_key).partition(" ")[2])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def algorithms(pinned: str = "") -> list[str]:
    """Return what to ask a host for: first a key of the pinned one's type, so that a host with several shows that."""
    kind = pinned.partition(" ")[0]
    return [*TYPES.get(kind, ()), *(name for other, names in TYPES.items() if other != kind for name in names)]


async def read_host_key(host: str, port: int = 22, seconds: float = READ_SECONDS, pinned: str = "") -> str:
    """Return the key that a host shows, after it proved to own it; raise Unreachable. Nobody logs in, nothing runs.
    `pinned`: the key to compare it with, so that a host with several shows the one of that type."""
    import asyncssh  # its import takes half a second and 20 MB: only who speaks SSH pays for it

    asked = algorithms(pinned)
    try:
        async with asyncio.timeout(seconds):
            key = await asyncssh.get_server_host_key(host, port, config=None, server_host_key_algs=asked)
    except TimeoutError:
        raise Unreachable(f"no answer on port {port} within {seconds:.0f} s") from None
    except OSError as error:
        raise Unreachable(f"port {port}: {why(error)}") from None
    except (asyncssh.Error, ValueError) as error:
        raise Unreachable(f"port {port}: {error}") from None
    if key is None:
        raise Unreachable(f"port {port}: the host shows no key")
    return normal(key.export_public_key().decode())
