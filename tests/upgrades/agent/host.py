"""A directory that plays a host, and calls of the real script on it."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.requirements import requires
from upgrades.agent import script

BACKUP = "backup_1.3_20260101_0000.tar.gz"
NEW_FILES = {"bin/storaged": (b"#!/bin/sh\necho new\n", 0o755), "etc/storage.conf": (b"version=1.5\n", 0o644)}
OLD_FILES = {"bin/storaged": b"old\n", ".hidden": b"h\n", "etc/a b": b"blank\n"}
NEW = {name: content for name, (content, _) in NEW_FILES.items()}
STEPS = ("spec", "need", "push", "backup", "stage", "activate", "verify")
SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}

Tree = dict[str, tuple[int, int, bytes]]


def tools(shell: str, folder: Path) -> str:
    """Return the PATH of a shell's tests; busybox brings its own tools, all but flock."""
    requires(shell, f"apt-get install {shell}")
    if shell != "busybox":
        return os.environ["PATH"]
    folder.mkdir(parents=True)
    listed = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    for applet in listed:
        (folder / applet).symlink_to(str(shutil.which("busybox")))
    if "flock" not in listed:
        requires("flock", "apt-get install util-linux")
        (folder / "flock").symlink_to(str(shutil.which("flock")))
    return f"{folder}:{os.environ['PATH']}"


def tree(base: Path) -> Tree:
    """Return every entry below `base`, and `base` itself, with mode, owner (not a link's) and content or target."""
    found: Tree = {}
    for path in [base, *sorted(base.rglob("*"))]:
        stat = path.lstat()
        content = b""
        if path.is_symlink():
            content = os.fsencode(path.readlink())
        elif path.is_file():
            content = path.read_bytes()
        found[str(path.relative_to(base))] = (stat.st_mode, 0 if path.is_symlink() else stat.st_uid, content)
    return found


@dataclass
class Host:
    """One service, `storage` 1.3, and a spec that upgrades it to 1.5."""

    root: Path
    shell: list[str]
    hooks: str = ""
    path: str = field(default_factory=lambda: os.environ["PATH"])
    old_files: dict[str, bytes] = field(default_factory=lambda: dict(OLD_FILES))
    new_files: dict[str, tuple[bytes, int]] = field(default_factory=lambda: dict(NEW_FILES))
    task: str = "t1"
    service: str = "storage"
    lock_seconds: int = 20
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.root / ".sysmgr" / "agent").exists():
            return
        for name, content in self.old_files.items():
            (self.old / name).parent.mkdir(parents=True, exist_ok=True)
            (self.old / name).write_bytes(content)
        (self.old / "link").symlink_to("bin/storaged")
        self.link.symlink_to("releases/1.3")
        (self.root / ".sysmgr").mkdir(mode=0o700)
        (self.root / ".sysmgr" / "agent").write_bytes(script())

    @property
    def link(self) -> Path:
        return self.root / self.service / "current"

    @property
    def old(self) -> Path:
        return self.root / self.service / "releases" / "1.3"

    @property
    def state(self) -> Path:
        return self.root / ".sysmgr" / "tasks" / self.task

    def command(self, step: str, *words: str, cluster: str = "c1", term: int = 5) -> list[str]:
        agent = str(self.root / ".sysmgr" / "agent")
        return [*self.shell, agent, step, cluster, str(term), self.task, self.service, *words]

    def environment(self) -> dict[str, str]:
        return {"PATH": self.path, "SYSMGR_LOCK_SECONDS": str(self.lock_seconds), **self.env}

    def call(self, step: str, *words: str, stdin: bytes = b"", cluster: str = "c1", term: int = 5) -> tuple[int, str]:
        """Return (exit code, stdout) of one step; the step is a process group of its own."""
        done = subprocess.run(
            self.command(step, *words, cluster=cluster, term=term),
            input=stdin,
            capture_output=True,
            timeout=60,
            check=False,
            env=self.environment(),
            start_new_session=True,
        )
        return done.returncode, done.stdout.decode(errors="replace")

    def spec(self) -> bytes:
        lines = ["from 1.3", "version 1.5"]
        for name, (content, mode) in self.new_files.items():
            lines.append(f"F {mode:04o} {hashlib.sha256(content).hexdigest()} {len(content)} {name}")
        return ("\n".join(lines) + "\n" + self.hooks + ".\n").encode()

    def payload(self) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, (content, _) in self.new_files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return out.getvalue()

    def words(self, step: str) -> tuple[tuple[str, ...], bytes]:
        """Return what a step needs besides its name: words and stdin."""
        return (BACKUP,) if step == "backup" else (), {"spec": self.spec, "push": self.payload}.get(step, bytes)()

    def step(self, step: str, term: int = 5) -> tuple[int, str]:
        """Call a step with what it needs."""
        words, stdin = self.words(step)
        return self.call(step, *words, stdin=stdin, term=term)

    def ok(self, *steps: str, term: int = 5) -> None:
        """Call steps that must succeed."""
        for step in steps:
            code, said = self.step(step, term)
            assert code == 0, (step, said, self.log())

    def log(self) -> str:
        file = self.state / "log"
        return file.read_text(errors="replace")[-3000:] if file.exists() else ""

    def current(self) -> dict[str, bytes]:
        """Return the files that run now."""
        return {
            str(path.relative_to(self.link)): path.read_bytes()
            for path in sorted(self.link.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }

    def leftovers(self) -> list[str]:
        """Return what may be there only on the way."""
        folders = [self.root / self.service, self.link.parent / "releases", self.root / "backups", self.state]
        hidden = [path for folder in folders if folder.is_dir() for path in folder.glob(".*")]
        hidden += [path for path in (self.state / "scratch", self.state / "spec.in") if path.exists()]
        hidden += self.root.glob("packages/*")
        return sorted(str(path.relative_to(self.root)) for path in hidden)
