"""The stream itself: cut, altered, prolonged or blown up, it is refused, with flat memory."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from sysmgr.errors import BadRequest
from upgrades.package.errors import PackageTooLarge, PackageUnreadable
from upgrades.package.inspect import inspect_package
from upgrades.package.manifest import read_manifest
from upgrades.package.reader import Limits

from .forge import CONTENT, Forge, header, manifest_data, member

MIB = 1024 * 1024


def test_a_cut_file_is_refused_wherever_it_was_cut(forge: Forge) -> None:
    whole = forge.package().read_bytes()
    for length in range(len(whole)):
        with pytest.raises(BadRequest):
            inspect_package(forge.file(whole[:length]), forge.keys)
    inspect_package(forge.file(whole), forge.keys)


def test_an_archive_cut_at_any_sector_is_refused_inside_whole_gzip(forge: Forge) -> None:
    whole = gzip.decompress(forge.package().read_bytes())
    end = len(whole) - 1024
    for length in [*range(0, end + 1024, 512), 1, 700, end - 1, end + 1, end + 513]:
        with pytest.raises(BadRequest):
            inspect_package(forge.file(gzip.compress(whole[:length])), forge.keys)


def test_no_single_flipped_bit_changes_what_is_accepted(forge: Forge) -> None:
    """Every flip is refused, or is one that gzip itself ignores: then the archive is the same, bit by bit."""
    whole = forge.package().read_bytes()
    archive = gzip.decompress(whole)
    refused = harmless = 0
    for position in random.Random(3).sample(range(len(whole) * 8), 3000):
        flipped = bytearray(whole)
        flipped[position // 8] ^= 1 << position % 8
        try:
            inspect_package(forge.file(bytes(flipped)), forge.keys)
        except BadRequest:
            refused += 1
        else:
            assert gzip.decompress(bytes(flipped)) == archive
            harmless += 1
    assert refused > 20 * harmless


def test_every_flipped_bit_of_the_uncompressed_content_is_refused(forge: Forge) -> None:
    archive = gzip.decompress(forge.package().read_bytes())
    for position in random.Random(4).sample(range(len(archive) * 8), 2000):
        flipped = bytearray(archive)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(BadRequest):
            inspect_package(forge.file(gzip.compress(bytes(flipped), 1)), forge.keys)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw + b"x",
        lambda raw: raw + b"\0" * 512,
        lambda raw: raw + gzip.compress(b""),
        lambda raw: raw + raw,
        lambda raw: gzip.compress(gzip.decompress(raw) + b"x" * 512),
        lambda raw: gzip.compress(gzip.decompress(raw) + member("payload/storage/late", b"x")),
        lambda raw: gzip.compress(gzip.decompress(raw) + bytes(20 * 512)),
        lambda raw: gzip.compress(gzip.decompress(raw)[:-512]),
        lambda raw: gzip.decompress(raw),
        lambda raw: zlib.compress(gzip.decompress(raw)),
        lambda raw: raw[:-8] + bytes(4) + raw[-4:],
        lambda raw: raw[:-4] + b"\xff\xff\xff\xff",
    ],
)
def test_an_archive_ends_exactly_once(forge: Forge, change: Callable[[bytes], bytes]) -> None:
    changed = change(forge.package().read_bytes())
    with pytest.raises(PackageUnreadable):
        inspect_package(forge.file(changed), forge.keys)


def test_what_follows_exactly_at_the_end_of_a_read_is_seen(forge: Forge) -> None:
    """A gzip member that fills whole reads leaves nothing behind in the decompressor to notice."""
    raw = forge.package().read_bytes()
    name = b"n" * (64 * 1024 - len(raw) - 1) + b"\0"
    whole = raw[:3] + b"\x08" + raw[4:10] + name + raw[10:]
    assert len(whole) == 64 * 1024
    inspect_package(forge.file(whole), forge.keys)
    with pytest.raises(PackageUnreadable, match="follows the end"):
        inspect_package(forge.file(whole + b"x"), forge.keys)


def test_records_filled_up_as_tar_does_are_accepted(forge: Forge) -> None:
    whole = gzip.decompress(forge.package().read_bytes())
    inspect_package(forge.file(gzip.compress(whole + bytes(-len(whole) % 10240))), forge.keys)


def bomb(forge: Forge, size: int) -> bytes:
    """Return a signed package whose one file is `size` zeros, made without holding them."""
    name = "payload/storage/data"
    data = manifest_data({name: b""})
    data["files"][0]["size"] = size
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = deflate.compress(forge.head(read_manifest(data)) + header(name, size))
    return start + b"".join(deflate.compress(bytes(MIB)) for _ in range(size // MIB)) + deflate.flush()


@pytest.mark.parametrize("ratio", [200, 5000])
def test_memory_stays_flat_on_a_bomb(forge: Forge, ratio: int) -> None:
    """Refused early by the ratio; with that limit lifted it is read to its end, in the same memory."""
    path = forge.file(bomb(forge, 64 * MIB))
    assert path.stat().st_size < 256 * 1024
    tracemalloc.start()
    try:
        with pytest.raises(PackageTooLarge if ratio == 200 else BadRequest):
            inspect_package(path, forge.keys, limits=Limits(ratio=ratio))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * MIB


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        (Limits(output_bytes=4000), "bytes unpacked"),
        (Limits(members=3), "members"),
        (Limits(manifest_bytes=100), "bytes of manifest.json"),
        (Limits(ratio=1, ratio_from=512), "compression bomb"),
    ],
)
def test_each_limit_is_a_limit(forge: Forge, limits: Limits, what: str) -> None:
    path = forge.package()
    assert inspect_package(path, forge.keys).members == len(CONTENT) + 2
    with pytest.raises(PackageTooLarge, match=what):
        inspect_package(path, forge.keys, limits=limits)


def test_a_giant_manifest_is_refused_before_it_is_read(forge: Forge) -> None:
    with pytest.raises(PackageTooLarge, match="bytes of manifest.json"):
        inspect_package(forge.package(head=header("manifest.json", 8**11 - 1)), forge.keys)
