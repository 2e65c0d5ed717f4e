"""Forging packages: a signed manifest with any members behind it, honest or hostile."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from upgrades.package.manifest import Manifest, read_manifest
from upgrades.package.sign import fingerprint, sign

CONTENT = {"payload/storage/bin/daemon": b"#!/bin/sh\nexit 0\n", "payload/storage/data": b"d" * 700}


def entry(path: str, data: bytes, mode: str = "0644") -> dict[str, Any]:
    """Return the manifest's line for one file."""
    return {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "mode": mode}


def manifest_data(content: dict[str, bytes] | None = None) -> dict[str, Any]:
    """Return a right manifest for files of the storage service, as JSON would hold it."""
    files = CONTENT if content is None else content
    command = {"argv": ["bin/daemon", "stop"], "user": "", "folder": ".", "seconds": 5}
    return {
        "format": 1,
        "protocol": 1,
        "version": "1.4.rc2",
        "release_notes": "First line\nsecond line 第二行",
        "files": [entry(path, data) for path, data in files.items()],
        "services": {
            "storage": {
                "payload": "payload/storage",
                "minimum_version": "1.0",
                "rollback": "until_commit",
                "state_paths": ["/var/lib/storage"],
                "commands": {"stop": command},
            }
        },
    }


def header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, **values: Any) -> bytes:
    """Return one ustar header; `values` are further fields of tarfile.TarInfo."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    for key, value in values.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "surrogateescape")


def patched(raw: bytes, start: int, value: bytes) -> bytes:
    """Return a header with other bytes in one place and the checksum that fits them."""
    changed = raw[:start] + value + raw[start + len(value) :]
    total = sum(changed[:148]) + 8 * 32 + sum(changed[156:512])
    return changed[:148] + b"%06o\0 " % total + changed[156:]


def member(name: str, data: bytes, mode: int = 0o644) -> bytes:
    """Return one whole plain file of an archive."""
    return header(name, len(data), mode=mode) + data + bytes(-len(data) % 512)


@dataclass
class Forge:
    """A maker with a key of its own; every part of the archive can be replaced."""

    folder: Path
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def keys(self) -> dict[str, Ed25519PublicKey]:
        public = self.key.public_key()
        return {fingerprint(public): public}

    def head(self, manifest: Manifest | None = None) -> bytes:
        """Return the first two members."""
        raw = (manifest or read_manifest(manifest_data())).to_bytes()
        return member("manifest.json", raw) + member("manifest.json.sig", sign(raw, self.key))

    def package(self, *members: bytes, head: bytes | None = None, end: bytes = bytes(1024)) -> Path:
        """Write a package of the head and these members; honest payload when there are none."""
        body = b"".join(members) or b"".join(member(path, data) for path, data in CONTENT.items())
        return self.file(gzip.compress((self.head() if head is None else head) + body + end, mtime=0))

    def file(self, raw: bytes) -> Path:
        """Write these bytes as the package."""
        path = self.folder / "updatepackage_1.4.rc2.tar.gz"
        path.write_bytes(raw)
        return path


def names(raw: bytes) -> list[str]:
    """Return the member names that the standard library sees in an uncompressed archive."""
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        return archive.getnames()
