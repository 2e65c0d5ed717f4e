"""A small real service for a host's releases: a shell script that puts itself in the background."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from .host import Host
from .kills import processes_in

CTL = """#!/bin/sh
# ctl start|stop|status|health: SYSMGR_ROOT/run holds the daemon's pid and what was done to it.
run=$SYSMGR_ROOT/run
pid=$(cat "$run/pid" 2>/dev/null)
case $1 in
    start)
        echo "start $SYSMGR_VERSION" >>"$run/effects"
        sleep "$(cat "$run/slow" 2>/dev/null || echo 0)"
        setsid sh bin/daemon &
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            [ -f "$run/pid" ] && exit 0
            sleep 0.1
        done
        exit 1
        ;;
    stop)
        echo "stop $SYSMGR_VERSION" >>"$run/effects"
        sleep "$(cat "$run/slow" 2>/dev/null || echo 0)"
        [ ! -f "$run/lie" ] || exit 0
        [ -n "$pid" ] || exit 1
        kill "$pid"
        rm -f "$run/pid"
        ;;
    status) [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null ;;
    health) [ "$(readlink "/proc/$pid/cwd")" = "$SYSMGR_RELEASE" ] && [ ! -f "$run/sick" ] ;;
esac
"""
DAEMON = 'echo $$ >"$SYSMGR_ROOT/run/pid.new"\nmv "$SYSMGR_ROOT/run/pid.new" "$SYSMGR_ROOT/run/pid"\nexec sleep 300\n'
HOOKS = "".join(f"H {name} {{seconds}} - .\nA bin/ctl\nA {name}\n" for name in ("stop", "start", "status", "health"))


def served(root: Path, shell: list[str], path: str, seconds: int = 2) -> Host:
    """Return a host whose releases carry the service; the old one runs."""
    new = {"bin/ctl": (CTL.encode(), 0o755), "bin/daemon": (DAEMON.encode(), 0o644)}
    old = {name: content for name, (content, _) in new.items()}
    host = Host(root, shell, HOOKS.format(seconds=seconds), path, {**old, "version": b"1.3\n"}, new)
    (host.old / "bin" / "ctl").chmod(0o755)
    (root / "run").mkdir()
    start(host)
    return host


def start(host: Host) -> None:
    """Start what `current` holds, as the host's own boot would."""
    env = {**host.environment(), "SYSMGR_ROOT": str(host.root), "SYSMGR_VERSION": "boot"}
    subprocess.run(["bin/ctl", "start"], cwd=host.link.resolve(), env=env, check=True, timeout=20)


def running(host: Host) -> dict[int, str]:
    """Return pid and version of each living daemon; what a kill left half done may take a moment to end."""
    deadline = time.monotonic() + 5
    while True:
        found = {pid: where.name for pid, where in processes_in(host.root).items() if _is_daemon(pid)}
        if len(found) == 1 or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def _is_daemon(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep\x00300")
    except OSError:
        return False


def effects(host: Host) -> list[str]:
    """Return what was done to the service since the boot."""
    return (host.root / "run" / "effects").read_text().splitlines()[1:]
