"""The host-side script: one POSIX sh file, joined from its parts, that does every step on a host."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

PROTOCOL = 2
PARTS = (
    "base.sh",
    "tree.sh",
    "hooks.sh",
    "arrive.sh",
    "push.sh",
    "steps.sh",
    "restore.sh",
    "change.sh",
    "beside.sh",
    "adopt.sh",
    "main.sh",
)


@lru_cache(maxsize=1)
def script() -> bytes:
    """Return the script as it is installed at `<root>/.sysmgr/agent`."""
    folder = Path(__file__).parent
    return b"\n".join((folder / part).read_bytes() for part in PARTS)


def digest() -> str:
    """Return the SHA-256 of the script, by which a manager knows whether a host has it."""
    return hashlib.sha256(script()).hexdigest()
