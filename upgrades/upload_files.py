"""The file of a resumable upload: its length is how much is here, its lock says who works on it."""

from __future__ import annotations

import base64
import binascii
import errno
import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from sysmgr import env
from sysmgr.errors import InvalidInput, Problem
from sysmgr.files import write_whole

from .errors import NoSpaceForPackage
from .upload_errors import UploadBusy, UploadChecksumWrong, UploadNotFound

BLOCK = 1024 * 1024
ALGORITHMS = ("sha1", "sha256", "md5")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Checksum:
    """What the bytes of one request must hash to."""

    algorithm: str
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> Checksum:
        """Read `<algorithm> <base64>`."""
        algorithm, _, encoded = text.partition(" ")
        if algorithm not in ALGORITHMS:
            known = ", ".join(ALGORITHMS)
            raise InvalidInput([Problem("Upload-Checksum", f"must be by one of {known}", f"算法必须是 {known} 之一")])
        with suppress(binascii.Error, ValueError):
            digest = base64.b64decode(encoded.encode("ascii"), validate=True)
            if len(digest) == hashlib.new(algorithm, usedforsecurity=False).digest_size:
                return cls(algorithm, digest)
        raise InvalidInput([Problem("Upload-Checksum", "is no such digest in base64", "不是有效的 base64 摘要")])


def folder() -> Path:
    """Return where the files of uploads lie; all replicas share it."""
    path = env.DATA_DIR / "uploads"
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def offset(uuid: UUID) -> int:
    """Return how many bytes of an upload are here; those whose checksum is still to be proven don't count."""
    try:
        length = (folder() / str(uuid)).stat().st_size
    except FileNotFoundError:
        return 0
    proven = _proven(uuid)
    return length if proven is None else min(length, proven)


def _unproven(uuid: UUID) -> Path:
    """Return the note that says from where on an upload's bytes are not proven; a killed request leaves it."""
    return folder() / f"{uuid}.unproven"


def _proven(uuid: UUID) -> int | None:
    try:
        text = _unproven(uuid).read_text()
    except FileNotFoundError:
        return None
    return int(text) if re.fullmatch(r"\d{1,18}", text) else 0


def forget(uuid: UUID) -> None:
    """Remove what is here of an upload that is over."""
    for path in (folder() / str(uuid), _unproven(uuid)):
        path.unlink(missing_ok=True)


@contextmanager
def held(uuid: UUID, *, create: bool = False) -> Iterator[UploadFile]:
    """Hold an upload's file; raise UploadBusy while another thread or replica does, UploadNotFound without a file."""
    path = folder() / str(uuid)
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileNotFoundError:
        raise UploadNotFound from None
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UploadBusy from None
        if not os.fstat(file.fileno()).st_nlink:
            raise UploadNotFound  # it was ended between our opening and our lock
        yield UploadFile(uuid, path, file)


class UploadFile:
    """An upload's file while this thread holds it."""

    def __init__(self, uuid: UUID, path: Path, file: BinaryIO) -> None:
        self.uuid, self.path, self.file = uuid, path, file
        proven = _proven(uuid)
        if proven is not None:  # a request was killed before it could prove its bytes
            self._cut(proven)

    @property
    def length(self) -> int:
        """How many bytes are here, all proven."""
        return os.fstat(self.file.fileno()).st_size

    def append(self, read: Callable[[int], bytes], count: int, checksum: Checksum | None) -> int:
        """Take `count` bytes, block by block; return how many came. Without a checksum a body that is cut, or a disk
        that is full, keeps what has come; with one it is all or nothing. Bytes without one are not synced here: a
        power cut takes the length along with them, and the whole file is synced and checked at its end."""
        start = self.length
        if checksum is not None:
            write_whole(_unproven(self.uuid), str(start).encode())
        digest = hashlib.new(checksum.algorithm, usedforsecurity=False) if checksum else None
        place = start
        try:
            while place < start + count and (block := read(min(BLOCK, start + count - place))):
                self._write(block, place)
                place += len(block)
                if digest is not None:
                    digest.update(block)
            if checksum is not None and digest is not None and place == start + count:
                if digest.digest() != checksum.digest:
                    raise UploadChecksumWrong("Upload-Checksum")
                os.fsync(self.file.fileno())
                _unproven(self.uuid).unlink()
            return place - start
        finally:
            if _proven(self.uuid) is not None:
                self._cut(start)

    def _write(self, block: bytes, place: int) -> None:
        view = memoryview(block)
        try:
            while view:
                written = os.pwrite(self.file.fileno(), view, place)
                view, place = view[written:], place + written
        except OSError as error:
            if error.errno in _FULL:
                raise NoSpaceForPackage from None
            raise

    def _cut(self, length: int) -> None:
        """Drop what is not proven."""
        if self.length > length:
            os.ftruncate(self.file.fileno(), length)
            os.fsync(self.file.fileno())
        _unproven(self.uuid).unlink(missing_ok=True)
