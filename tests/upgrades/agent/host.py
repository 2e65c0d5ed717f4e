"""A directory that plays a host, and calls of the real script on it."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from upgrades.agent import script

BACKUP = "backup_1.3_20260101_0000.tar.gz"
NEW_FILES = {"bin/storaged": (b"#!/bin/sh\necho new\n", 0o755), "etc/storage.conf": (b"version=1.5\n", 0o644)}
OLD_FILES = {"bin/storaged": b"old\n", ".hidden": b"h\n", "etc/a b": b"blank\n"}


@dataclass
class Host:
    """One service, `storage` 1.3, and a spec that upgrades it to 1.5."""

    root: Path
    shell: list[str]
    hooks: str = ""
    path: str = field(default_factory=lambda: os.environ["PATH"])

    def __post_init__(self) -> None:
        old = self.root / "storage" / "releases" / "1.3"
        for name, content in OLD_FILES.items():
            (old / name).parent.mkdir(parents=True, exist_ok=True)
            (old / name).write_bytes(content)
        (old / "link").symlink_to("bin/storaged")
        (self.root / "storage" / "current").symlink_to("releases/1.3")
        (self.root / ".sysmgr").mkdir()
        (self.root / ".sysmgr" / "agent").write_bytes(script())

    def call(self, step: str, *words: str, stdin: bytes = b"", cluster: str = "c1", term: int = 5) -> tuple[int, str]:
        """Return (exit code, stdout) of one step."""
        command = [*self.shell, str(self.root / ".sysmgr" / "agent"), step, cluster, str(term), "t1", "storage", *words]
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            timeout=60,
            check=False,
            env={"PATH": self.path, "SYSMGR_LOCK_SECONDS": "2", "REAL_PATH": os.environ["PATH"]},
        )
        return done.returncode, done.stdout.decode()

    def spec(self) -> bytes:
        lines = ["from 1.3", "version 1.5"]
        for name, (content, mode) in NEW_FILES.items():
            lines.append(f"F {mode:04o} {hashlib.sha256(content).hexdigest()} {len(content)} {name}")
        return ("\n".join(lines) + "\n" + self.hooks + ".\n").encode()

    def payload(self) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, (content, _) in NEW_FILES.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return out.getvalue()

    def step(self, step: str) -> tuple[int, str]:
        """Call a step with what it needs."""
        if step == "spec":
            return self.call("spec", stdin=self.spec())
        if step == "push":
            return self.call("push", stdin=self.payload())
        return self.call(step, BACKUP) if step == "backup" else self.call(step)

    def current(self) -> dict[str, bytes]:
        """Return the files that run now."""
        base = self.root / "storage" / "current"
        return {
            str(path.relative_to(base)): path.read_bytes()
            for path in sorted(base.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }


NEW = {name: content for name, (content, _) in NEW_FILES.items()}
STEPS = ("spec", "push", "backup", "stage", "activate", "verify")
