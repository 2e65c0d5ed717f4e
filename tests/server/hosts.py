"""Looking at a demo host's disk: releases, backups, what a package's manifest says, and `current` at all times."""

from __future__ import annotations

import hashlib
import json
import socket
import tarfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.server.processes import until
from tests.server.product import Product


def host(product: Product, ip: str) -> Path:
    """Return the folder of a demo host."""
    return product.data / "demo-hosts" / ip


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return bytes and mode of every file below a folder, by relative path."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode & 0o777) for path in files}


def backup_content(file: Path) -> dict[str, tuple[bytes, int]]:
    """Return the same of a backup, read member by member."""
    found: dict[str, tuple[bytes, int]] = {}
    with tarfile.open(file) as archive:
        for member in archive:
            source = archive.extractfile(member)
            if source is not None:
                found[member.name.removeprefix("./")] = (source.read(), member.mode & 0o777)
    return found


def manifest(package: Path) -> dict[str, Any]:
    """Read the manifest out of a package file: its first member."""
    with tarfile.open(package) as archive:
        first = archive.next()
        assert first is not None and first.name == "manifest.json"
        source = archive.extractfile(first)
        assert source is not None
        read: dict[str, Any] = json.loads(source.read())
        return read


def listed(package: Path, service: str) -> dict[str, tuple[str, int, str]]:
    """Return (sha256, size, mode) of each file that a package lists for a service."""
    read = manifest(package)
    root = read["services"][service]["payload"] + "/"
    return {
        entry["path"].removeprefix(root): (entry["sha256"], entry["size"], entry["mode"])
        for entry in read["files"]
        if entry["path"].startswith(root)
    }


def on_disk(release: Path) -> dict[str, tuple[str, int, str]]:
    """Return the same of the files that are there."""
    return {
        name: (hashlib.sha256(data).hexdigest(), len(data), f"{mode:04o}")
        for name, (data, mode) in content(release).items()
    }


def true_facts(file: Path) -> tuple[str, int]:
    """Return md5 and size of a file."""
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest(), file.stat().st_size


def store(product: Product) -> Path:
    """Return the folder of the one cluster's packages."""
    (folder,) = (product.data / "packages").iterdir()
    return folder


def upgrade(product: Product, ip: str, *services: str, version: str) -> dict[str, Any]:
    """Upgrade services of a host over HTTP, wait for the end of the run, and return it."""
    items = [{"host_ip": ip, "service_type": service, "version": version} for service in services]
    started = product.post("compute/version/upgrade", {"list": items, "wait": True})
    return rested(product, started["upgrade_uuid"])


def rested(product: Product, run: str, seconds: float = 60) -> dict[str, Any]:
    """Wait until a run rests; return it."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = product.get("upgrade/inspect", upgrade_uuid=run)
        return found if found["end_time"] is not None or found["state"] == "paused" else None

    found = until(f"the run {run} rests", look, seconds, pause=0.1)
    assert found is not None
    return found


class Watcher:
    """Reads a `current` in a tight loop and notes each moment at which it was missing or pointed nowhere."""

    def __init__(self, current: Path, pause: float = 0.0) -> None:
        self.current, self.pause = current, pause
        self.looks = 0
        self.targets: list[str] = []
        self.missed: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._over.is_set():
            self.looks += 1
            if self.pause:
                time.sleep(self.pause)
            try:
                target = str(self.current.readlink())
            except OSError as error:
                self.missed.append(str(error))
                continue
            if not self.targets or self.targets[-1] != target:
                self.targets.append(target)
            if not self.current.exists():
                self.missed.append(f"{target} is not there")

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(10)


def daemon_says(folder: Path) -> tuple[str, int]:
    """Return version and process id, as the running daemon tells them over its socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(folder / "socket"))
        version, pid = client.recv(100).decode().split()
        return version, int(pid)
