"""The digests of a whole file, worked out (and the file synced) in threads while something else looks into it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BLOCK = 1024 * 1024


@dataclass(frozen=True)
class Digests:
    """What a file is: hex digests and bytes."""

    sha256: str
    md5: str
    size: int


@contextmanager
def digests_of(path: Path, *, sync: bool = False) -> Iterator[Callable[[], Digests]]:
    """Begin to hash a file; yield what waits for its digests, and with `sync` until it is on the disk (or OSError).
    Leaving early ends the work at its next block."""
    given_up: list[bool] = []
    # Opened here, so that all of it is of one file, whoever replaces the name.
    with path.open("rb", buffering=0) as file, ThreadPoolExecutor(3) as pool:
        size = os.fstat(file.fileno()).st_size
        sha256, md5 = (pool.submit(_hash, name, file.fileno(), size, given_up) for name in ("sha256", "md5"))
        synced = pool.submit(os.fsync, file.fileno()) if sync else None

        def digests() -> Digests:
            if synced is not None:
                synced.result()
            return Digests(sha256.result(), md5.result(), size)

        try:
            yield digests
        finally:
            given_up.append(True)


def _hash(name: str, descriptor: int, size: int, given_up: list[bool]) -> str:
    digest, place, block = hashlib.new(name, usedforsecurity=False), 0, memoryview(bytearray(BLOCK))
    while place < size and not given_up:
        count = os.preadv(descriptor, [block], place)
        if not count:
            break
        digest.update(block[:count])
        place += count
    return digest.hexdigest()
