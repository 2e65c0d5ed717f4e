"""A payload on its way to a host: only what changed travels, and a cut push goes on where it was cut."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cluster.models import Host
from upgrades.engine.journal import Journal
from upgrades.engine.lacking import bytes_of, lacking
from upgrades.engine.task import Task
from upgrades.engine.together import Together
from upgrades.errors import HostUnreachable
from upgrades.models import UpgradeItem, UpgradeRun
from upgrades.package.manifest import FileEntry, Manifest, ServicePayload
from upgrades.package.unpack import BLOCK
from upgrades.transports.base import Input, Result, Unreachable
from upgrades.transports.local import LocalTransport

FULL = os.environ.get("SYSMGR_FULL") == "1"
FILES, SIZE = 400, (850_000 if FULL else 50_000)  # 340 MB, or 20 MB
FILE = FileEntry("storage/a", "0" * 64, 1000, "0644")


class Cut(LocalTransport):
    """A host whose wire breaks after so many bytes of a push."""

    left = -1

    async def run(self, *words: str, stdin: Input = b"", seconds: float = 600) -> Result:
        """Run a step; of a push whose bytes ran out nobody hears an answer."""
        if words[0] != "push" or self.left < 0 or isinstance(stdin, bytes):
            return await super().run(*words, stdin=stdin, seconds=seconds)
        source = stdin

        async def some() -> AsyncIterator[bytes]:
            async for block in source():
                yield block[: self.left]
                self.left -= len(block)
                if self.left <= 0:
                    return

        await super().run(*words, stdin=some, seconds=seconds)
        self.left = -1
        raise Unreachable("the wire broke")


class Bench:
    """A package with many files, 5 % of whose bytes are not in the release that the host runs."""

    def __init__(self, folder: Path) -> None:
        self.unpacked, self.root = folder / "unpacked", folder / "root"
        payload, release = self.unpacked / "storage", self.root / "storage" / "releases" / "1.3"
        content = random.Random(6)
        entries = []
        for number in range(FILES):
            name = f"lib/d{number % 20}/f{number}"
            data = content.randbytes(SIZE)
            old = release / name
            old.parent.mkdir(parents=True, exist_ok=True)
            old.write_bytes(data[::-1] if number % 20 == 7 else data)
            new = payload / name
            new.parent.mkdir(parents=True, exist_ok=True)
            new.write_bytes(data)
            entries.append(FileEntry(f"storage/{name}", hashlib.sha256(data).hexdigest(), SIZE, "0644"))
        (self.root / "storage" / "current").symlink_to("releases/1.3")
        service = ServicePayload("storage", None, "safe", (), {})
        self.manifest = Manifest("1.5", "", tuple(entries), {"storage": service})
        self.transport, self.cluster = Cut(self.root), uuid.uuid4()

    def task(self) -> Task:
        """Return another try: a task of its own."""
        run = UpgradeRun(cluster_id=self.cluster)
        item = UpgradeItem(run=run, host=Host(host_ip="here"), host_ip="here", service_type="storage")
        item.from_version, item.to_version, item.state = "1.3", "1.5", UpgradeItem.State.PUSHING
        return Task(item, Together(Journal(1)), self.transport, (self.manifest, self.unpacked))

    def push(self, task: Task) -> None:
        """Bring spec and payload, as Task.push does between two states."""

        async def steps() -> None:
            await self.transport.install()
            await task.step("spec", stdin=task.spec())
            await task._bring()

        asyncio.run(steps())

    def arrived(self) -> bool:
        """Whether the payload stands on the host as the package has it."""
        pushed = self.root / "packages" / "1.5" / "storage"
        return all(
            hashlib.sha256((pushed / entry.path.removeprefix("storage/")).read_bytes()).hexdigest() == entry.sha256
            for entry in self.manifest.files
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield Bench(tmp_path)
    shutil.rmtree(tmp_path)  # 1 GB


@pytest.mark.timeout(300)
def test_of_5_percent_that_changed_at_most_6_percent_travel(bench: Bench) -> None:
    task = bench.task()
    bench.push(task)
    assert bench.arrived()
    total = FILES * SIZE
    assert task.item.payload_bytes == total * 5 // 100
    assert total * 5 // 100 < task.sent <= total * 6 // 100


@pytest.mark.timeout(300)
@pytest.mark.parametrize("same", [True, False], ids=["same task", "another try"])
def test_after_a_cut_only_the_rest_travels(bench: Bench, same: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wire that broke is tried again at once; what another task finds on the host it goes on with, too."""
    monkeypatch.setattr("upgrades.engine.task.PAUSES", (0,) if same else ())
    task = bench.task()
    changed = FILES * SIZE * 5 // 100
    bench.transport.left = first = changed // 2 + SIZE // 3
    if not same:
        with pytest.raises(HostUnreachable):
            bench.push(task)
        first, task = 0, bench.task()
    bench.push(task)
    assert bench.arrived()
    assert bench.transport.left == -1
    # A block that was under way when the wire broke counts as sent.
    assert task.sent - first < changed // 2 + (BLOCK if same else 0) + 64 * 1024


def test_what_the_host_says_of_its_files_is_understood() -> None:
    files = [FILE] * 50
    assert lacking("need 3-5 40\nhave 40 10\nhave 41 1\nhave 3 1000\nbytes 1\n", files) == {3: 0, 4: 0, 5: 0, 40: 10}
    assert lacking("need\nbytes 0\n", files) == {}
    assert bytes_of({3: 0, 40: 10}, files) == 1990


@pytest.mark.parametrize(
    "answer", ["", "need 0", "need 51", "need 3-60", "need 5-3", "need x", "need 3 3", "need 1  2"]
)
def test_an_answer_without_sense_brings_everything(answer: str) -> None:
    assert lacking(answer, [FILE] * 50) == dict.fromkeys(range(1, 51), 0)


def test_a_beginning_that_was_spoilt_meanwhile_is_brought_whole(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upgrades.engine.task.PAUSES", ())
    task = bench.task()
    bench.transport.left = SIZE + SIZE // 2
    with pytest.raises(HostUnreachable):
        bench.push(task)
    (begun,) = [file for file in bench.root.glob("packages/1.5/.storage.*/lib/d7/*") if 0 < file.stat().st_size < SIZE]
    begun.write_bytes(b"?" + begun.read_bytes()[1:])
    bench.push(task)
    assert bench.arrived()
