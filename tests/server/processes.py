"""Looking at processes through /proc, and waiting with a bound."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def until(what: str, condition: Callable[[], T], seconds: float = 30, pause: float = 0.03) -> T:
    """Return the first true value of `condition`; fail with `what` when none comes in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(pause)


def _status() -> Iterator[tuple[int, str, int, int]]:
    """Yield (pid, state, parent, group) of every process."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit():
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                yield int(entry.name), fields[0], int(fields[1]), int(fields[2])


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    return any(pid == other and state not in "ZX" for other, state, _, _ in _status())


def children(pid: int) -> list[int]:
    """Return the living children of a process."""
    return sorted(other for other, state, parent, _ in _status() if parent == pid and state not in "ZX")


def group(number: int) -> list[int]:
    """Return the living processes of a process group."""
    return sorted(other for other, state, _, own in _status() if own == number and state not in "ZX")


def command(pid: int) -> str:
    """Return a process's command line; empty when it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""
