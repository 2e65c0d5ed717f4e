"""Periodic work of the leading manager: apps register it in `AppConfig.ready`, `management.housekeeping` runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """One piece of periodic work, safe to repeat: a leader may die in the middle, the next one starts over."""

    name: str
    seconds: float
    function: Callable[[], object]


_jobs: dict[str, Job] = {}


def register(name: str, seconds: float, function: Callable[[], object]) -> None:
    """Have the leader call `function` when it starts to lead and then `seconds` after each end; last one wins."""
    _jobs[name] = Job(name, seconds, function)


def registered() -> list[Job]:
    """Return all jobs, by name."""
    return [_jobs[name] for name in sorted(_jobs)]
