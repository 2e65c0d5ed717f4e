"""Shims in front of every external command that kill the script, or all of its processes, at the N-th one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

from .host import Host

Moment = Literal["before", "after"]
Victim = Literal["script", "all"]
# Between two commands that only read, a kill leaves the same disk: by default only the others are places.
CHANGING = ("chmod", "cp", "gzip", "ln", "mkdir", "mv", "rm", "rmdir", "sync", "tar", "timeout")
# fmt: off
READING = (
    "awk", "basename", "cat", "cmp", "cut", "date", "df", "diff", "dirname", "du", "find", "flock", "grep", "head",
    "id", "md5sum", "readlink", "sed", "sha256sum", "sleep", "sort", "stat", "tail", "wc", "xargs",
)
# fmt: on
FULL = os.environ.get("SYSMGR_FULL") == "1"
# The count is read by builtins: a fork for each command would double the time.
_SHIM = """#!/bin/sh
echo >>{count}
n=0
while read -r _; do n=$((n + 1)); done <{count}
PATH=$REAL_PATH
# Two ends of a pipe may count at once: the first one at or past the place kills.
[ "$KILL_AT" -gt 0 ] && [ "$n" -ge "$KILL_AT" ] && (set -C && : >{count}.fired) 2>/dev/null || exec {tool} "$@"
case $KILL_MOMENT in after) {tool} "$@"; c=$? ;; *) c=1 ;; esac
case $KILL_VICTIM in all) kill -9 -"$AGENT" ;; *) kill -9 "$AGENT" ;; esac
exit "$c"
"""


class Shims:
    """A folder of shims for a host's PATH."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.count, self.fired = folder, folder / "count", folder / "count.fired"
        for tool in CHANGING + (READING if FULL else ()):
            (folder / tool).write_text(_SHIM.format(count=self.count, tool=tool))
            (folder / tool).chmod(0o755)

    def run(self, host: Host, step: str, at: int, moment: Moment = "before", victim: Victim = "all") -> int:
        """Run one step and kill it at its `at`-th command; return its exit code (negative: the signal)."""
        self.count.write_text("")
        self.fired.unlink(missing_ok=True)
        words, stdin = host.words(step)
        more = {"KILL_AT": str(at), "KILL_MOMENT": moment, "KILL_VICTIM": victim, "REAL_PATH": host.path}
        env = {**host.environment(), **more, "PATH": f"{self.folder}:{host.path}"}
        script = 'AGENT=$$; export AGENT; exec "$@"'
        return subprocess.run(
            ["sh", "-c", script, "sh", *host.command(step, *words)],
            input=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
            env=env,
            start_new_session=True,
        ).returncode

    def number(self, host: Host, step: str) -> int:
        """Run one step to its end; return how many commands it called."""
        assert self.run(host, step, 0) == 0, (step, host.log())
        return len(self.count.read_bytes())


class Watcher:
    """Looks at `current` all the time: it must name a directory at every moment."""

    def __init__(self, host: Host) -> None:
        self._link = host.link
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.missing = 0

    def _watch(self) -> None:
        while not self._end.is_set():
            if not self._link.is_symlink() or not self._link.is_dir():
                self.missing += 1
            time.sleep(0.0005)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def copy_of(host: Host, root: Path) -> Host:
    """Return the host as it stands, at another place."""
    shutil.copytree(host.root, root, symlinks=True)
    return replace(host, root=root)


def processes_in(root: Path) -> dict[int, Path]:
    """Return the living processes that work in a directory below `root`, and where."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                where = (entry / "cwd").readlink()
                zombie = ") Z " in (entry / "stat").read_text()
            except OSError:
                continue
            if not zombie and where.is_relative_to(root):
                found[int(entry.name)] = where
    return found


def kill_all_in(root: Path) -> None:
    """End what a test left behind in its own directory."""
    for pid in processes_in(root):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
