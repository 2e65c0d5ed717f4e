"""Ed25519 keys of packages: make, load, name, sign and verify."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from .errors import (
    PackageNotSigned,
    PackageNotWritten,
    PublicKeyInvalid,
    Reason,
    SigningKeyExists,
    SigningKeyUnusable,
)
from .files import sync_directory

SIGNATURE_BYTES = 64
_KEY_FILE_BYTES = 16_384
_NOT_A_KEY = Reason("it holds no Ed25519 private key", "其中没有 Ed25519 私钥")


def create_key(path: Path) -> Ed25519PrivateKey:
    """Make a key and write it to a new file (PEM PKCS8, mode 0600); SigningKeyExists if one is there."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    partial = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        _write_new(partial, pem)
        try:
            os.link(partial, path)  # unlike a rename, a link never replaces a key that is there
        finally:
            partial.unlink()
        sync_directory(path.parent)
    except FileExistsError:
        raise SigningKeyExists(path.name) from None
    except OSError as error:
        raise PackageNotWritten(error) from None
    return key


def _write_new(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Return the key of a PEM file; SigningKeyUnusable if others may read it or it is no such key."""
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise SigningKeyUnusable(
                    path.name, Reason("others than its owner may use it", "所有者以外的用户可访问")
                )
            key = load_pem_private_key(file.read(_KEY_FILE_BYTES), password=None)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SigningKeyUnusable(path.name, Reason(reason, reason)) from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SigningKeyUnusable(path.name, _NOT_A_KEY) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyUnusable(path.name, _NOT_A_KEY)
    return key


def public_key_text(key: Ed25519PrivateKey | Ed25519PublicKey) -> str:
    """Return the public half as base64 of its 32 raw bytes."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return base64.b64encode(public.public_bytes_raw()).decode("ascii")


def load_public_key(text: str) -> Ed25519PublicKey:
    """Return the key that `public_key_text` wrote; PublicKeyInvalid for anything else."""
    try:
        raw = base64.b64decode(text.strip().encode("ascii"), validate=True)
        return Ed25519PublicKey.from_public_bytes(raw)
    except (binascii.Error, ValueError):
        raise PublicKeyInvalid() from None


def fingerprint(public: Ed25519PublicKey) -> str:
    """Return `SHA256:` and the unpadded base64 of the sha256 of the raw key, as OpenSSH writes it."""
    digest = hashlib.sha256(public.public_bytes_raw()).digest()
    return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")


def sign(manifest_bytes: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return the raw signature (64 bytes) over the manifest's bytes as they stand in the package."""
    return key.sign(manifest_bytes)


def verify(manifest_bytes: bytes, signature: bytes, keys: Mapping[str, Ed25519PublicKey]) -> str:
    """Return the fingerprint of the trusted key that signed; PackageNotSigned when none did."""
    for key in keys.values():
        try:
            key.verify(signature, manifest_bytes)
        except InvalidSignature:
            continue
        return fingerprint(key)
    raise PackageNotSigned()
