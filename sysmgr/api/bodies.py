"""Bodies under way: a stalled body holds a thread, so only so many may be received at once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from sysmgr import env
from sysmgr.errors import TooManyBodies

PER_SOURCE = 8
_lock = threading.Lock()
_under_way: Counter[str] = Counter()


def is_full(source: str) -> bool:
    """Tell whether the next body of `source` would be refused."""
    return _under_way.total() >= max(1, env.WEB_THREADS // 2) or _under_way.get(source, 0) >= PER_SOURCE


@contextmanager
def receiving(source: str) -> Iterator[None]:
    """Count one body of `source` while it is read; raise TooManyBodies (503) over the bounds."""
    with _lock:
        if is_full(source):
            raise TooManyBodies(retry_after=2)
        _under_way[source] += 1
    try:
        yield
    finally:
        with _lock:
            _under_way[source] -= 1
            if not _under_way[source]:
                del _under_way[source]
