"""The manager's own SSH key: made at first use, or the file that SYSMGR_SSH_KEY_FILE names."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from sysmgr import env

from .base import SshKeyUnusable

_NAME, _COMMENT = "ssh_ed25519", "sysmgr"


def key_path() -> Path:
    """Return where the private key lies, or will lie."""
    return Path(env.SSH_KEY_FILE or env.DATA_DIR / "keys" / _NAME)


def private_key() -> bytes:
    """Return the private key's text; raise SshKeyUnusable. Without SYSMGR_SSH_KEY_FILE it is made at the first call."""
    path = key_path()
    if not env.SSH_KEY_FILE:
        env.key_file(_NAME, _make)
    try:
        # Looked at and read through one descriptor: nobody can put another file in between.
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise SshKeyUnusable(f"{path} can be read by others (mode {mode:04o}): chmod 600 it")
            return file.read()
    except OSError as error:
        raise SshKeyUnusable(f"can't read {path}: {error.strerror}") from None


def public_line() -> str:
    """Return the line to put into the hosts' authorized_keys; raise SshKeyUnusable."""
    text = private_key()
    load = load_ssh_private_key if b"BEGIN OPENSSH" in text else load_pem_private_key
    try:
        key = load(text, None)
        line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    except TypeError:  # what cryptography says of a key that asks for a passphrase
        raise SshKeyUnusable(f"{key_path()} is locked by a passphrase: use a key without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise SshKeyUnusable(f"{key_path()} holds no private key that SSH knows") from None
    return f"{line} {_COMMENT}"


def _make() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode().strip()
