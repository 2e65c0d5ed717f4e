"""Reading a hostile tar.gz: one streaming pass, flat memory, bounded in every direction.

The standard library's reader follows pax and GNU long-name records, which let a member rename
itself; so the 512-byte headers are read here, and every kind of record but a plain file or a
plain directory is refused.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from .errors import PackageMemberRefused, PackageTooLarge, PackageUnreadable, Reason
from .manifest import MANIFEST_BYTES
from .names import path_fault

BLOCK = 1024 * 1024
_INPUT = 64 * 1024
_OUTPUT = 256 * 1024
_SECTOR = 512
_ZEROS = bytes(_SECTOR)
_MAGIC = b"ustar\x0000"
_CUT = Reason("it ends too early", "文件不完整")
_DAMAGED = Reason("a record of the archive is damaged", "归档中的记录已损坏")
_TRAILING = Reason("something follows the end of the archive", "归档结束后仍有多余数据")


@dataclass(frozen=True)
class Limits:
    """What one package may cost: bytes out, members, and how far the compression may expand.

    The ratio counts only beyond `ratio_from` bytes out, so that a small file of zeros is no bomb.
    """

    manifest_bytes: int = MANIFEST_BYTES
    output_bytes: int = 16 * 1024**3
    members: int = 200_000
    ratio: int = 200
    ratio_from: int = 16 * 1024 * 1024


@dataclass(frozen=True)
class Member:
    """One record of the archive: a plain file, or a directory (size 0)."""

    name: str
    size: int
    mode: int
    is_directory: bool


class GzipStream:
    """The bytes of exactly one gzip member that fills the file, never more than a block at once."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._inflate = zlib.decompressobj(wbits=31)
        self._taken = 0
        self._given = 0
        self._buffer = b""
        self._position = 0

    def read(self, count: int) -> bytes:
        """Return exactly `count` bytes, or fewer at the end of the stream."""
        parts: list[bytes] = []
        while count and (part := self.some(count)):
            count -= len(part)
            parts.append(part)
        return b"".join(parts)

    def some(self, count: int) -> bytes:
        """Return at least one byte and at most `count`, as many as are at hand; none at the end of the stream."""
        if self._position == len(self._buffer):
            self._buffer, self._position = self._next_block(), 0
        part = self._buffer[self._position : self._position + count]
        self._position += len(part)
        return part

    def _next_block(self) -> bytes:
        while not self._inflate.eof:
            data = self._inflate.unconsumed_tail
            if not data:
                data = self._file.read(_INPUT)
                self._taken += len(data)
            try:
                block = self._inflate.decompress(data, _OUTPUT)
            except zlib.error:
                raise PackageUnreadable(
                    Reason("it is no gzip file, or it is damaged", "不是 gzip 文件或已损坏")
                ) from None
            if block:
                self._count(len(block))
                return block
            if not data and not self._inflate.eof:
                raise PackageUnreadable(_CUT)
        return b""

    def _count(self, length: int) -> None:
        self._given += length
        if self._given > self._limits.output_bytes:
            raise PackageTooLarge(Reason("bytes unpacked", "解包字节数"), self._limits.output_bytes)
        consumed = self._taken - len(self._inflate.unconsumed_tail)
        if self._given > max(self._limits.ratio_from, self._limits.ratio * consumed):
            what = Reason("bytes unpacked from each byte (a compression bomb)", "压缩比（疑似压缩炸弹）")
            raise PackageTooLarge(what, self._limits.ratio)

    def finish(self) -> None:
        """Check that the stream and the file end here; the stream's checksum is checked by then."""
        if self.read(1) or self._inflate.unused_data or self._file.read(1):
            raise PackageUnreadable(_TRAILING)


class TarStream:
    """The members of a ustar archive, in order; each file's content is read with `blocks`."""

    def __init__(self, stream: GzipStream, limits: Limits) -> None:
        self._stream = stream
        self._limits = limits
        self._seen: set[str] = set()

    @property
    def count(self) -> int:
        """How many members were read."""
        return len(self._seen)

    def next_member(self) -> Member | None:
        """Return the next member, or None after an exact end of the archive."""
        header = self._stream.read(_SECTOR)
        if len(header) < _SECTOR:
            raise PackageUnreadable(_CUT)
        if header == _ZEROS:
            self._finish()
            return None
        member = _parse_header(header)
        if member.name in self._seen:
            raise PackageMemberRefused(member.name, Reason("it appears twice", "重复出现"))
        if len(self._seen) >= self._limits.members:
            raise PackageTooLarge(Reason("members", "成员数"), self._limits.members)
        self._seen.add(member.name)
        return member

    def blocks(self, member: Member) -> Iterator[bytes]:
        """Yield the content of the member that was just returned, at most 1 MiB at a time."""
        left = member.size
        while left:
            block = self._stream.some(left)
            if not block:
                raise PackageUnreadable(_CUT)
            left -= len(block)
            yield block
        padding = self._stream.read(-member.size % _SECTOR)
        if len(padding) != -member.size % _SECTOR:
            raise PackageUnreadable(_CUT)
        if padding.strip(b"\0"):
            raise PackageMemberRefused(member.name, Reason("something is hidden behind its end", "末尾之后藏有数据"))

    def _finish(self) -> None:
        # An archive ends with two empty sectors, filled up with empty ones to a whole record.
        rest = self._stream.read(tarfile.RECORDSIZE)
        if len(rest) < _SECTOR or len(rest) % _SECTOR:
            raise PackageUnreadable(_CUT)
        if rest.strip(b"\0"):
            raise PackageUnreadable(_TRAILING)
        self._stream.finish()


def _parse_header(header: bytes) -> Member:
    raw_name = header[:100].split(b"\0")[0].decode("ascii", "backslashreplace")
    try:
        info = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
    except UnicodeDecodeError:
        raise PackageMemberRefused(raw_name, Reason("a text in it is not UTF-8", "文本不是 UTF-8")) from None
    except (tarfile.HeaderError, ValueError, OverflowError):
        raise PackageUnreadable(_DAMAGED) from None
    # tarfile also takes other spellings of the sum; the one of POSIX lets no single bit go unseen.
    if header[148:156] != b"%06o\0 " % (sum(header) - sum(header[148:156]) + 8 * ord(" ")):
        raise PackageUnreadable(_DAMAGED)
    if fault := _header_fault(info, header):
        raise PackageMemberRefused(info.name, fault)
    return Member(info.name, info.size, info.mode & 0o7777, info.isdir())


def _header_fault(info: tarfile.TarInfo, header: bytes) -> Reason | None:
    if info.issym() or info.islnk():
        return Reason("it is a link", "是链接")
    if info.ischr() or info.isblk() or info.isfifo():
        return Reason("it is a device or a pipe", "是设备或管道")
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
        return Reason("it is of an unknown type", "类型未知")
    if fault := path_fault(info.name):
        return fault
    if header[257:265] != _MAGIC:
        return Reason("its header is not ustar", "文件头不是 ustar 格式")
    if header[124] & 0x80 or info.size < 0 or (info.isdir() and info.size):
        return Reason("its size is not possible", "大小无效")
    if info.isdir() and info.mode & 0o7777 != 0o755:
        return Reason("a directory's mode must be 0755", "目录权限必须为 0755")
    return None
