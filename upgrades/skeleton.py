"""The skeleton of a package's source folder: each setting explained, each command an example that works."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

_HEAD = """\
# What `manage.py build_package` reads beside the service folders. All of it is optional.
release_notes = "What is new in this release."
"""

_SERVICE = """
[services.{service}]
# minimum_version = "1.3"    # installations older than this are refused
rollback = "safe"            # after the commit: safe, until_commit or never; before it a failure always rolls back
state_paths = []             # folders outside the release that this release migrates: no backup holds them

# Each command: arguments (no shell), a folder in the release, a time limit, and whose it is ("": who runs the script).
# stop runs in the old release, before the switch; then status must say no. An older release may not have our file.
[services.{service}.commands.stop]
argv = ["sh", "-c", "[ ! -f bin/control ] || exec sh bin/control stop"]
folder = "."
seconds = 30
user = ""

# start runs in the new release, after the switch; it must return, the service goes on by itself.
[services.{service}.commands.start]
argv = ["sh", "bin/control", "start"]
seconds = 30

# status: exit 0 means "runs", 1 to 123 "does not run"; anything else proves nothing. It must work in both releases.
[services.{service}.commands.status]
argv = ["sh", "-c", "[ -f bin/control ] && exec sh bin/control status"]
seconds = 10

# health is asked before the commit, until it says yes or its time is over; then everything is rolled back.
[services.{service}.commands.health]
argv = ["sh", "bin/control", "health"]
seconds = 30
"""

_PROGRAM = """\
#!/bin/sh
# The service itself: replace it with yours.
while :; do
    sleep 1
done
"""

_CONTROL = """\
#!/bin/sh
# The commands of the service. They run with SYSMGR_ROOT (the host's folder), SYSMGR_SERVICE, SYSMGR_VERSION and
# SYSMGR_RELEASE; what they print goes to the task's log on the host. Replace the bodies with yours.
run=$SYSMGR_ROOT/run/$SYSMGR_SERVICE
pid=$(cat "$run.pid" 2>/dev/null)

runs() { [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; }

case $1 in
    start)
        runs && exit 0
        mkdir -p "$SYSMGR_ROOT/run" || exit 1
        # A daemon redirects its own output, and leaves no pipe of ours open.
        nohup sh "bin/${SYSMGR_SERVICE}d" >"$run.log" 2>&1 </dev/null &
        echo $! >"$run.pid"
        ;;
    stop)
        runs || exit 0
        kill "$pid"
        while runs; do sleep 1; done
        ;;
    status) runs ;;
    health) runs ;; # ask the service something that only a well one can answer
    *) exit 2 ;;
esac
"""


def write_skeleton(folder: Path, services: Sequence[str]) -> list[Path]:
    """Write the source folder of a package for `services`, whole or not at all; FileExistsError when it is there."""
    if folder.exists() or folder.is_symlink():
        raise FileExistsError(folder)
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4()}")
    try:
        draft.mkdir()
        text = _HEAD + "".join(_SERVICE.format(service=service) for service in services)
        (draft / "package.toml").write_text(text)
        for service in services:
            (draft / service / "bin").mkdir(parents=True)
            for name, content in ((f"{service}d", _PROGRAM), ("control", _CONTROL)):
                (draft / service / "bin" / name).write_text(content)
                (draft / service / "bin" / name).chmod(0o755)
        draft.rename(folder)  # refuses a folder that got content meanwhile
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return sorted(path for path in folder.rglob("*") if path.is_file())
