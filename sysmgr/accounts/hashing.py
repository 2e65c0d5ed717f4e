"""Password hashes: slow on purpose, so one is computed at a time in a worker, few wait for it, and readers go first."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from django.contrib.auth.hashers import check_password, get_hasher, identify_hasher, make_password

from sysmgr import env

from .login_errors import HashQueueFull

FREE_THREADS = 2  # of a worker, which are everybody else's however many log-ins wait
RETRY_SECONDS = 5
_NICER = 5  # the operating system gives a worker's other threads the processor first
_MD5 = re.compile(r"[0-9a-f]{32}")
_lock = threading.Lock()
_inside = 0
_threads: dict[int, ThreadPoolExecutor] = {}
ResultT = TypeVar("ResultT")


def most_waiting(threads: int) -> int:
    """Return how many may wait in a worker of so many threads: each holds one, so 20 only where there are enough."""
    return max(0, min(20, threads - 2 - FREE_THREADS))  # one is computed; one who is refused is kept waiting


MOST_WAITING = most_waiting(env.WEB_THREADS)


def is_full() -> bool:
    """Tell whether the next one would be refused."""
    return _inside > MOST_WAITING


@contextmanager
def place() -> Iterator[None]:
    """Hold a place in the queue of hashes for what is done inside; raises HashQueueFull where too many wait."""
    global _inside
    with _lock:
        if _inside > MOST_WAITING:  # one is computed, the others wait
            raise HashQueueFull(retry_after=RETRY_SECONDS)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1


def matches(password: str, encoded: str) -> bool:
    """Tell whether a password is the one of a hash; takes as long for an empty hash as for a real one."""
    return _in_turn(lambda: _matches(password, encoded))


def of(password: str) -> str:
    """Return the hash of a password."""
    return _in_turn(lambda: make_password(password))


def of_md5(password: str) -> str:
    """Return the hash of a password's MD5, which is all that old clients send (contract §3)."""
    digest = hashlib.md5(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    return of(digest)


def is_md5(password: str) -> bool:
    """Tell whether a password looks like what old clients send."""
    return bool(_MD5.fullmatch(password))


def is_outdated(encoded: str) -> bool:
    """Tell whether a hash was made with another algorithm, or with weaker parameters, than today's."""
    used, wanted = identify_hasher(encoded), get_hasher()
    return used.algorithm != wanted.algorithm or wanted.must_update(encoded)


def _matches(password: str, encoded: str) -> bool:
    if not encoded:
        make_password(password)
        return False
    return check_password(password, encoded)


def _in_turn(work: Callable[[], ResultT]) -> ResultT:
    return _thread().submit(work).result()


def _thread() -> ThreadPoolExecutor:
    """Return this process's one hashing thread; a process that was forked has its own."""
    with _lock:
        if os.getpid() not in _threads:
            _threads[os.getpid()] = ThreadPoolExecutor(1, thread_name_prefix="hashing", initializer=_step_back)
        return _threads[os.getpid()]


def _step_back() -> None:
    with contextlib.suppress(AttributeError, OSError):  # not on every system; and it is only a courtesy
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICER)
