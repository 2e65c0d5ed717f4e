"""Fixtures of the package tests: a forge, a signing key, a source tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from .forge import Forge


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    folder = tmp_path / "forge"
    folder.mkdir()
    return Forge(folder)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "output"
    folder.mkdir()
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two services with nested files, an executable, an empty file and a file over one block."""
    root = tmp_path / "source"
    for path, data in {
        "storage/bin/daemon": b"#!/bin/sh\nexit 0\n",
        "storage/etc/a/b/c.conf": b"",
        "storage/data.bin": bytes(range(256)) * 5000,
        "cloud/app@1.0+x.txt": b"text",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
        (root / path).chmod(0o640)
    (root / "storage/bin/daemon").chmod(0o700)
    (root / "package.toml").write_text(
        'release_notes = "From the source"\n'
        "[services.storage]\n"
        'minimum_version = "1.0"\nrollback = "never"\nstate_paths = ["/var/lib/storage"]\n'
        "[services.storage.commands.stop]\n"
        'argv = ["bin/daemon", "stop"]\nseconds = 5\n',
        encoding="utf-8",
    )
    return root
