"""The same host after its upgrade: a task of its own that brings 1.3 back from the backup."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from .host import BACKUP, STEPS, Host

OWN = "backup_1.5_20260102_0000.tar.gz"
WAY = ("spec", "backup", "stage", "activate", "verify")


@dataclass
class Back(Host):
    """A host whose steps are those of a restore."""

    task: str = "t2"
    sum: str = ""
    made_by: str = "t1"
    runs_by: str = "t1"

    def spec(self) -> bytes:
        lines = ["from 1.5", "version 1.3", f"restore {BACKUP} {self.sum}"]
        lines += [f"made_by {self.made_by}"] if self.made_by else []
        lines += [f"runs_by {self.runs_by}"] if self.runs_by else []
        return ("\n".join(lines) + "\n.\n").encode()

    def words(self, step: str) -> tuple[tuple[str, ...], bytes]:
        return (OWN,) if step == "backup" else (), self.spec() if step == "spec" else b""


def upgraded(host: Host) -> Back:
    """Upgrade the host; return it with the task that goes back."""
    host.ok(*STEPS, "commit", "cleanup")
    digest = hashlib.sha256((host.root / "backups" / BACKUP).read_bytes()).hexdigest()
    return Back(host.root, host.shell, host.hooks, host.path, env=host.env, sum=digest)
