"""Unpacking: the checks of an inspection while the listed files are written, all or nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .errors import PackageDigestWrong, PackageNotWritten, PackageServiceMissing, UnpackTargetExists
from .files import open_regular, sync_directory
from .inspect import Inspection, Visitor, Write, read_package
from .manifest import FileEntry, Manifest
from .reader import Limits
from .writer import tar_end, tar_header, tar_padding

BLOCK = 512 * 1024


def unpack_package(
    path: Path,
    destination: Path,
    keys: Mapping[str, Ed25519PublicKey],
    services: Collection[str] | None = None,
    *,
    limits: Limits | None = None,
) -> Inspection:
    """Check a package as `inspect_package` does and write its files into the new directory `destination`.

    Files keep their paths inside the package; with `services` only those services' files are
    written, but everything is checked. `destination` appears complete and synced, or not at all;
    a crash leaves at most a hidden sibling `.<name>.partial-*`.
    """
    if os.path.lexists(destination):
        raise UnpackTargetExists(destination.name)
    try:
        partial = Path(tempfile.mkdtemp(prefix=f".{destination.name}.partial-", dir=destination.parent))
    except OSError as error:
        raise PackageNotWritten(error) from None
    try:
        inspection = read_package(path, keys, _Writer(partial, services), limits or Limits())
        _sync_tree(partial)
        _publish(partial, destination)
    except OSError as error:
        raise PackageNotWritten(error) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return inspection


def _publish(partial: Path, destination: Path) -> None:
    if os.path.lexists(destination):
        raise UnpackTargetExists(destination.name)
    partial.chmod(0o755)
    partial.rename(destination)  # refuses a directory that got content since the look above
    sync_directory(destination.parent)


class _Writer(Visitor):
    def __init__(self, root: Path, services: Collection[str] | None) -> None:
        self._root = root
        self._services = services
        self._wanted: set[str] = set()

    def begin(self, manifest: Manifest) -> None:
        known = list(manifest.services)
        for service in known if self._services is None else self._services:
            if service not in manifest.services:
                raise PackageServiceMissing(service, known)
            self._wanted.update(entry.path for _, entry in manifest.files_of(service))

    @contextmanager
    def open(self, entry: FileEntry) -> Iterator[Write]:
        if entry.path not in self._wanted:
            yield lambda block: None
            return
        target = self._root / entry.path
        _make_folders(self._root, target.parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(target, flags, 0o600), "wb") as file:
            yield file.write
            file.flush()
            os.fchmod(file.fileno(), entry.permissions)
            os.fsync(file.fileno())


def _make_folders(root: Path, folder: Path) -> None:
    missing = []
    while folder != root and not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir()
        path.chmod(0o755)  # whatever the umask says


def _sync_tree(root: Path) -> None:
    for folder, _, _ in os.walk(root, topdown=False):
        sync_directory(Path(folder))


def payload_tar(
    unpacked: Path, manifest: Manifest, service: str, wanted: Mapping[int, int] | None = None
) -> Iterator[bytes]:
    """Yield an uncompressed ustar stream of one service's files, checked again while they are read.

    Paths are relative to the payload directory; blocks hold at most 512 KiB. With `wanted` only the files at these
    places of the service's list (from 1) come, without as many bytes at their beginning as it says; such a rest is
    named `%rest/PLACE.OFFSET`, which no file of a package can be. A file that is no longer what the manifest says ends
    the stream with PackageDigestWrong, before the archive's end mark, so that no reader takes the rest for a whole
    archive.
    """
    if service not in manifest.services:
        raise PackageServiceMissing(service, list(manifest.services))
    files = manifest.files_of(service)
    if wanted is None:
        wanted = dict.fromkeys(range(1, len(files) + 1), 0)
    members = []
    for place, offset in sorted(wanted.items()):
        name, entry = files[place - 1]
        members.append((f"%rest/{place}.{offset}" if offset else name, entry, offset))
    return _payload_blocks(unpacked, members)


def _payload_blocks(unpacked: Path, members: list[tuple[str, FileEntry, int]]) -> Iterator[bytes]:
    pending = bytearray()
    total = 0
    for member in members:
        for part in _file_parts(unpacked, *member):
            total += len(part)
            if len(part) == BLOCK:  # of a large file: to copy it once more would cost as much as to hash it
                if pending:
                    yield bytes(pending)
                    pending.clear()
                yield part
                continue
            pending += part
            while len(pending) >= BLOCK:
                yield bytes(pending[:BLOCK])
                del pending[:BLOCK]
    yield bytes(pending) + tar_end(total)


def _file_parts(unpacked: Path, name: str, entry: FileEntry, offset: int) -> Iterator[bytes]:
    yield tar_header(name, entry.size - offset, entry.permissions)
    digest, left, skip = hashlib.sha256(), entry.size, offset
    try:
        opened = open_regular(unpacked / entry.path)
        if opened is None:
            raise PackageDigestWrong(entry.path)
        with opened as file:
            # One byte more than promised is asked for, so that a file that grew is noticed.
            while block := file.read(min(left, BLOCK) or 1):
                digest.update(block)
                left -= len(block)
                if left < 0:
                    raise PackageDigestWrong(entry.path)
                skipped = min(skip, len(block))
                skip -= skipped
                yield block[skipped:]
    except OSError as error:
        raise PackageNotWritten(error) from None
    if left or digest.hexdigest() != entry.sha256:
        raise PackageDigestWrong(entry.path)
    yield tar_padding(entry.size - offset)
