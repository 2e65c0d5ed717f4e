"""Small file systems of their own, for full and read-only disks: only root can mount."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _skip(text: str) -> None:
    if os.environ.get("SYSMGR_REQUIRE") == "all":
        pytest.fail(text)
    pytest.skip(text)


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[Path]:
    """Mount a tmpfs of `kib` at a new `folder`; skip the test where that can't be done."""
    if os.geteuid() != 0:
        _skip("only root can mount a small file system: run as root")
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "sysmgr-test", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        _skip(f"no tmpfs can be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, how: str) -> None:
    """Make a small disk read-only (`ro`) or writable (`rw`)."""
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


def fill(folder: Path, left_kib: int = 0) -> Path:
    """Fill a disk but for `left_kib`; return the file to remove."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
        file.truncate(max(0, file.tell() - left_kib * 1024))
    return filler
