"""What is a PNG, JPEG or WebP image: decided from the bytes, never from a name; one file in three skins is none."""

from __future__ import annotations

import struct
import zlib

MOST_PIXELS = 8192  # a side
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class NoImage(ValueError):
    """The bytes are no image that a browser may be given; the texts say why."""

    def __init__(self, reason: str) -> None:
        self.reason, self.reason_cn = reason, _REASONS[reason]
        super().__init__(reason)


_REASONS = {
    "it is neither PNG nor JPEG nor WebP": "不是 PNG、JPEG 或 WebP",
    "it is cut": "文件不完整",
    f"its sides are not 1 to {MOST_PIXELS} pixels": f"边长不在 1 到 {MOST_PIXELS} 像素之间",
    "a checksum in it is wrong": "校验和错误",
    "its header makes no sense": "文件头无效",
    "its header is missing or there twice": "文件头缺失或重复",
    "its markers make no sense": "标记无效",
    "its picture makes no sense": "图像数据无效",
    "its length is not the one that it states": "长度与声明不符",
    "it has no picture, or something stands behind it": "没有图像数据，或其后还有其他内容",
}


def image_format(content: bytes) -> str:
    """Return `png`, `jpeg` or `webp`, or raise NoImage: the whole file is walked, to its last byte."""
    try:
        if content.startswith(_PNG):
            width, height = _png(content)
            found = "png"
        elif content.startswith(b"\xff\xd8\xff"):
            width, height = _jpeg(content)
            found = "jpeg"
        elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            width, height = _webp(content)
            found = "webp"
        else:
            raise NoImage("it is neither PNG nor JPEG nor WebP")
    except (IndexError, struct.error):
        raise NoImage("it is cut") from None
    if not (0 < width <= MOST_PIXELS and 0 < height <= MOST_PIXELS):
        raise NoImage(f"its sides are not 1 to {MOST_PIXELS} pixels")
    return found


def _png(content: bytes) -> tuple[int, int]:
    size, data, place = (0, 0), False, len(_PNG)
    while True:
        length, kind = struct.unpack_from(">I4s", content, place)
        body = content[place + 4 : place + 8 + length]
        if zlib.crc32(body) != struct.unpack_from(">I", content, place + 8 + length)[0]:
            raise NoImage("a checksum in it is wrong")
        if (kind == b"IHDR") != (size == (0, 0)):
            raise NoImage("its header is missing or there twice")
        if kind == b"IHDR":
            width, height, depth, color, packed, filtered, laced = struct.unpack(">IIBBBBB", body[4:])
            if depth not in _PNG_DEPTHS.get(color, ()) or packed or filtered or laced > 1:
                raise NoImage("its header makes no sense")
            size = (width, height)
            if 0 in size:
                break
        data = data or kind == b"IDAT"
        place += 12 + length
        if kind == b"IEND":
            break
    if not data or place != len(content):
        raise NoImage("it has no picture, or something stands behind it")
    return size


def _jpeg(content: bytes) -> tuple[int, int]:
    size, place = (0, 0), 2
    while True:
        if content[place] != 0xFF:
            raise NoImage("its markers make no sense")
        marker = content[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        (length,) = struct.unpack_from(">H", content, place + 2)
        if marker < 0xC0 or 0xD0 <= marker <= 0xD9 or length < 2 or place + 2 + length > len(content):
            raise NoImage("its markers make no sense")
        if marker in _JPEG_FRAMES:
            depth, height, width = struct.unpack_from(">BHH", content, place + 4)
            if depth not in (8, 12) or size != (0, 0):
                raise NoImage("its header makes no sense")
            size = (width, height)
        place += 2 + length
        if marker == 0xDA:
            break
    if size == (0, 0) or not content.endswith(b"\xff\xd9") or len(content) < place + 3:
        raise NoImage("it has no picture, or something stands behind it")
    return size


def _webp(content: bytes) -> tuple[int, int]:
    if struct.unpack_from("<I", content, 4)[0] + 8 != len(content):
        raise NoImage("its length is not the one that it states")
    size, picture, place = (0, 0), False, 12
    while place < len(content):
        kind, length = struct.unpack_from("<4sI", content, place)
        body = content[place + 8 : place + 8 + length]
        if len(body) != length:
            raise NoImage("it is cut")
        if kind == b"VP8X" and place == 12:
            size = (int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1)
        elif kind == b"VP8 ":
            if body[3:6] != b"\x9d\x01\x2a":
                raise NoImage("its picture makes no sense")
            width, height = struct.unpack_from("<HH", body, 6)
            size, picture = (width & 0x3FFF, height & 0x3FFF) if size == (0, 0) else size, True
        elif kind == b"VP8L":
            (head,) = struct.unpack_from("<I", body, 1)
            if body[0] != 0x2F or head >> 29:
                raise NoImage("its picture makes no sense")
            size, picture = ((head & 0x3FFF) + 1, (head >> 14 & 0x3FFF) + 1) if size == (0, 0) else size, True
        picture = picture or kind == b"ANMF"
        place += 8 + length + length % 2
    if not picture or place != len(content):
        raise NoImage("it has no picture, or something stands behind it")
    return size
