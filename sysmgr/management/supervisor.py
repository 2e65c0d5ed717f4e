"""The supervisor: keeps the children of `serve` running, and never outlives or is outlived by them."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

STOP_SECONDS = 7.0  # more than granian gives its workers, and well below the 10 s that SIGTERM may take
ENDS_AT_ONCE_SECONDS = 5.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _end_with_parent(parent: int, sign: signal.Signals) -> None:
    """Ask Linux to send this process a signal when `parent` dies, `kill -9` included."""
    _libc.prctl(_PR_SET_PDEATHSIG, sign)
    exit_when_orphaned(parent)


def end_worker_with_parent() -> None:
    """In a web worker: end when granian's main process does, or it would go on serving beside the next one."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        _end_with_parent(parent.pid, signal.SIGKILL)


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
            self.wait = 0.5 if now - self.started > ENDS_AT_ONCE_SECONDS else min(self.wait * 2 or 0.5, 15)
            self.next_start = now + self.wait
        if self.process is None and now >= self.next_start:
            self.started = now
            parent = os.getpid()
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                preexec_fn=lambda: _end_with_parent(parent, signal.SIGTERM),
            )

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
