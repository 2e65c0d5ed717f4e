"""Building a package: the same source, version and key give the same bytes."""

from __future__ import annotations

import filecmp
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .errors import PackageFileExists, PackageNotWritten
from .fields import as_object
from .files import sync_directory
from .inspect import inspect_package
from .manifest import FORMAT, MANIFEST_NAME, PROTOCOL, SIGNATURE_NAME, FileEntry, Manifest, read_manifest
from .sign import fingerprint, sign
from .source import BLOCK, PAYLOAD, open_source, read_settings, read_source, refuse, services_from
from .writer import GzipTarWriter, tar_header, tar_padding


def package_name(version: str) -> str:
    """Return the file name of the package of one version."""
    return f"updatepackage_{version}.tar.gz"


def build_package(source: Path, version: str, output: Path, key: Ed25519PrivateKey, *, notes: str = "") -> Path:
    """Build and sign `updatepackage_<version>.tar.gz` in the directory `output`; return its path.

    `source` holds one directory per service (cloud, compute, storage) and may hold `package.toml`
    (`release_notes`; per `[services.<name>]`: `minimum_version`, `rollback`, `state_paths` and
    `commands.<stop|start|status|health>` with `argv`, `user`, `folder`, `seconds`). `notes`, when
    given, replace its release notes. The finished file is inspected before it gets its name, so
    whatever an intake would refuse is refused here, with the same error. An equal file that is
    already there is kept; a different one is PackageFileExists.
    """
    manifest = _manifest(source, version, notes)
    target = output / package_name(version)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.partial-", dir=output)
        partial = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                _write(GzipTarWriter(file), source, manifest, key)
                file.flush()
                os.fchmod(descriptor, 0o644)
                os.fsync(descriptor)
            public = key.public_key()
            inspect_package(partial, {fingerprint(public): public})
            _publish(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise PackageNotWritten(error) from None
    return target


def _manifest(source: Path, version: str, notes: str) -> Manifest:
    settings: dict[str, Any] = {"release_notes": "", "services": {}, **read_settings(source)}
    as_object(settings, "", ("release_notes", "services"))
    found = read_source(source)
    files = [vars(entry) for entries in found.values() for entry in entries]
    return read_manifest(
        {
            "format": FORMAT,
            "protocol": PROTOCOL,
            "version": version,
            "release_notes": notes or settings["release_notes"],
            "files": sorted(files, key=lambda entry: entry["path"]),
            "services": services_from(settings, list(found)),
        }
    )


def _write(archive: GzipTarWriter, source: Path, manifest: Manifest, key: Ed25519PrivateKey) -> None:
    raw = manifest.to_bytes()
    archive.member(MANIFEST_NAME, raw)
    archive.member(SIGNATURE_NAME, sign(raw, key))
    for entry in manifest.files:
        _write_file(archive, source, entry)
    archive.finish()


def _write_file(archive: GzipTarWriter, source: Path, entry: FileEntry) -> None:
    relative = entry.path.removeprefix(f"{PAYLOAD}/")
    archive.write(tar_header(entry.path, entry.size, entry.permissions))
    digest, left = hashlib.sha256(), entry.size
    with open_source(source, relative) as file:
        while left and (block := file.read(min(left, BLOCK))):
            digest.update(block)
            left -= len(block)
            archive.write(block)
        if left or file.read(1) or digest.hexdigest() != entry.sha256:
            refuse(relative, "changed while the package was built", "在构建过程中发生变化")
    archive.write(tar_padding(entry.size))


def _publish(partial: Path, target: Path) -> None:
    try:
        os.link(partial, target)  # unlike a rename, a link never replaces a file that is there
    except FileExistsError:
        if target.is_symlink() or not filecmp.cmp(partial, target, shallow=False):
            raise PackageFileExists(target.name) from None
    sync_directory(target.parent)
