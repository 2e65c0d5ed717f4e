"""What a push sends: a small payload is read and checked only once for all hosts that get the same at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from weakref import WeakValueDictionary

from sysmgr.errors import SysmgrError
from upgrades.package.manifest import Manifest
from upgrades.package.unpack import payload_tar

from .lacking import bytes_of

SMALL = 8 * 1024 * 1024  # what is larger is read block by block for each host, so that memory does not follow it

_Key = tuple[Path, str, tuple[tuple[int, int], ...]]
# Whoever sends a payload holds it here; it goes with the last of them, so that none is older than a push.
_read: WeakValueDictionary[_Key, asyncio.Task[list[bytes]]] = WeakValueDictionary()


async def payload(folder: Path, manifest: Manifest, service: str, wanted: dict[int, int]) -> AsyncIterator[bytes]:
    """Yield the stream of `payload_tar`, at most 512 KiB at once; raise what it raises."""
    blocks = payload_tar(folder, manifest, service, wanted)
    if bytes_of(wanted, [entry for _, entry in manifest.files_of(service)]) > SMALL:
        while block := await asyncio.to_thread(next, blocks, None):
            yield block
        return
    key = (folder, service, tuple(sorted(wanted.items())))
    reading = _read.get(key)
    if reading is None:
        reading = _read[key] = asyncio.create_task(asyncio.to_thread(list, blocks))
    try:
        whole = await asyncio.shield(reading)  # who gives up does not end it for the others
    except SysmgrError:
        _read.pop(key, None)  # the next try reads it again
        raise
    for block in whole:
        yield block
