"""Which cases the default run leaves out: those that repeat one path in another shell, or on the second database.

SYSMGR_FULL=1 runs them all.
"""

from __future__ import annotations

import os
import zlib
from collections import defaultdict
from typing import Any

import pytest

FULL = os.environ.get("SYSMGR_FULL") == "1"
SHELLS = ("dash", "bash", "busybox")
ALIKE = 4  # of so many cases that are marked as alike, the run on the second database takes one


def repeated(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the cases of the host script's tests that another shell's case stands for.

    A test with three cases or more takes the shells in turns; one with fewer runs in busybox, whose tools are its own,
    and in one of the two shells that share the system's. The sweeps of kills share their places by themselves.
    """
    if FULL:
        return []
    tests: dict[str, dict[str, dict[str, pytest.Item]]] = defaultdict(lambda: defaultdict(dict))
    for item in items:
        params = _params(item)
        shell = next((str(value) for value in params.values() if value in SHELLS), "")
        if shell and "moment" not in params:
            rest = sorted((name, str(value)) for name, value in params.items() if value not in SHELLS)
            tests[item.nodeid.partition("[")[0]][str(rest)][shell] = item
    found = []
    for name, cases in tests.items():
        for place, by_shell in enumerate(cases.values()):
            kept = {SHELLS[place % 3]} if len(cases) >= 3 else {"busybox", SHELLS[zlib.crc32(name.encode()) % 2]}
            if kept & by_shell.keys():
                found += [item for shell, item in by_shell.items() if shell not in kept]
    return found


def alike(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return what is marked as `alike` on every database, but for one of its cases in four."""
    if FULL:
        return []
    seen: dict[str, int] = defaultdict(int)
    found = []
    for item in items:
        if item.get_closest_marker("alike") is not None:
            name, bracket, _ = item.nodeid.partition("[")
            if not bracket or seen[name] % ALIKE:
                found.append(item)
            seen[name] += 1
    return found


def _params(item: pytest.Item) -> dict[str, Any]:
    params: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    return {name: value for name, value in params.items() if isinstance(value, (str, int, bool, bytes))}
