"""What was built: version, commit and the digest of the dependency lock."""

from __future__ import annotations

import hashlib
import platform
import re
import subprocess
import sys
from functools import lru_cache

from sysmgr import __version__
from sysmgr.env import BASE_DIR

_UNKNOWN = "0" * 40


@lru_cache(maxsize=1)
def commit() -> str:
    """Return the commit of the source tree (40 hex digits; zeros outside a repository)."""
    try:
        done = subprocess.run(
            ["git", "-C", str(BASE_DIR), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return _UNKNOWN
    found = done.stdout.strip()
    return found if re.fullmatch(r"[0-9a-f]{40}", found) else _UNKNOWN


@lru_cache(maxsize=1)
def version_line() -> str:
    """Return the documented version string (contract §1, endpoint 1)."""
    lock = BASE_DIR / "requirements.lock"
    # SHA-1 only because the documented form has 40 digits; nothing trusts this value.
    common = hashlib.sha1(lock.read_bytes(), usedforsecurity=False).hexdigest() if lock.exists() else _UNKNOWN
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{__version__}  @python{python} {platform.system().lower()}/{machine}  SRC#{commit()}  CMN#{common}"
