"""The supervisor: keeps the children of `serve` running, and never outlives or is outlived by them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

STOP_SECONDS = 8.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent() -> None:
    """Ask Linux to end this process when its parent dies, `kill -9` included."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    """A child process that is started again when it ends, ever more slowly while it keeps ending at once."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    wait: float = 0.0
    next_start: float = field(default=0.0)

    def keep(self) -> None:
        """Start the child if it does not run and its time has come."""
        now = time.monotonic()
        if self.process is not None and self.process.poll() is not None:
            self.process = None
            self.wait = 0.5 if now - self.started > 30 else min(self.wait * 2 or 0.5, 15)
            self.next_start = now + self.wait
        if self.process is None and now >= self.next_start:
            self.started = now
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)

    def stop(self, sign: int) -> None:
        """Send a signal if the child runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(sign)


def stop_all(children: Sequence[Child]) -> None:
    """End the children: politely, and after STOP_SECONDS by force."""
    for child in children:
        child.stop(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        if child.process is None:
            continue
        try:
            child.process.wait(timeout=max(0.05, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.stop(signal.SIGKILL)
            child.process.wait(timeout=2)


def exit_when_orphaned(parent: int) -> None:
    """End this process at once if its parent has changed: the death signal is lost in that race."""
    if os.getppid() != parent:
        os._exit(3)
