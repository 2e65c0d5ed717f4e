"""A payload on its way out of the manager: read once for all who send it at the same time, and never an old one."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from upgrades.engine import payloads
from upgrades.package.errors import PackageDigestWrong
from upgrades.package.manifest import FileEntry, Manifest, ServicePayload
from upgrades.package.unpack import payload_tar

DATA = b"d" * 3000
ALL = {1: 0}


class Package:
    """An unpacked package with one file, and how often its payload was read."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.reads = folder, 0
        (folder / "storage").mkdir()
        self.write(DATA)
        entry = FileEntry("storage/a", hashlib.sha256(DATA).hexdigest(), len(DATA), "0644")
        self.manifest = Manifest("1.5", "", (entry,), {"storage": ServicePayload("storage", None, "safe", (), {})})

    def write(self, data: bytes) -> None:
        """Put something into the place of the file."""
        (self.folder / "storage" / "a").write_bytes(data)

    def blocks(self, *args: Any) -> Iterator[bytes]:
        """Read as payload_tar does."""
        self.reads += 1
        yield from payload_tar(*args)

    async def send(self, wanted: dict[int, int] = ALL) -> bytes:
        """Return what one host is sent."""
        stream = payloads.payload(self.folder, self.manifest, "storage", wanted)
        return b"".join([block async for block in stream])


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    found = Package(tmp_path)
    monkeypatch.setattr(payloads, "payload_tar", found.blocks)
    return found


def whole(package: Package) -> bytes:
    """Return the right stream."""
    return b"".join(payload_tar(package.folder, package.manifest, "storage", ALL))


def test_hosts_that_are_sent_the_same_at_the_same_time_share_one_reading(package: Package) -> None:
    async def scene() -> list[bytes]:
        return list(await asyncio.gather(*(package.send() for _ in range(5)), package.send({1: 1000})))

    *same, rest = asyncio.run(scene())
    assert same == [whole(package)] * 5
    assert b"%rest/1.1000" in rest
    assert package.reads == 2
    assert not payloads._read


def test_who_comes_later_gets_what_is_there_by_then(package: Package) -> None:
    async def scene() -> None:
        await package.send()
        package.write(b"x" * len(DATA))
        with pytest.raises(PackageDigestWrong):
            await package.send()
        package.write(DATA)
        assert await package.send() == whole(package)

    asyncio.run(scene())


def test_a_bad_file_is_told_to_all_and_read_anew_by_the_next(package: Package) -> None:
    package.write(b"x" * len(DATA))

    async def scene() -> None:
        told = await asyncio.gather(*(package.send() for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in told] == [PackageDigestWrong] * 3
        package.write(DATA)
        assert await package.send() == whole(package)

    asyncio.run(scene())
    assert package.reads == 2


def test_who_gives_up_does_not_end_it_for_the_others(package: Package) -> None:
    async def scene() -> bytes:
        first, second = (asyncio.create_task(package.send()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(scene()) == whole(package)


def test_what_is_large_is_read_for_each_and_never_held(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "SMALL", len(DATA) - 1)

    async def scene() -> list[bytes]:
        return list(await asyncio.gather(package.send(), package.send()))

    assert asyncio.run(scene()) == [whole(package)] * 2
    assert package.reads == 2
