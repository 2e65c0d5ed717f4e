"""Writing archives that are the same bytes every time: plain ustar records and one gzip member."""

from __future__ import annotations

import tarfile
import zlib
from typing import BinaryIO

_SECTOR = 512


def tar_header(name: str, size: int, mode: int) -> bytes:
    """Return a file's 512-byte ustar header: mtime 0, owner 0; ValueError when it does not fit ustar."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, mode
    return info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")


def tar_padding(size: int) -> bytes:
    """Return the zeros that follow a file of `size` bytes."""
    return bytes(-size % _SECTOR)


def tar_end(written: int) -> bytes:
    """Return the end of an archive of which `written` bytes stand: two empty sectors, a whole record."""
    return bytes(2 * _SECTOR + (-(written + 2 * _SECTOR) % tarfile.RECORDSIZE))


class GzipTarWriter:
    """A tar.gz written member by member; zlib's own gzip header carries neither name nor time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._deflate = zlib.compressobj(6, zlib.DEFLATED, 31)
        self._written = 0

    def write(self, data: bytes) -> None:
        """Append raw bytes of the archive."""
        self._written += len(data)
        self._file.write(self._deflate.compress(data))

    def member(self, name: str, data: bytes, mode: int = 0o644) -> None:
        """Append one small file."""
        self.write(tar_header(name, len(data), mode) + data + tar_padding(len(data)))

    def finish(self) -> None:
        """Write the end of the archive and of the gzip member."""
        self.write(tar_end(self._written))
        self._file.write(self._deflate.flush())
