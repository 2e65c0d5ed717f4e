"""Packages that tests build with the real `manage.py build_package` and the demo's key."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from tests.server.product import Product

CONTROL = """
import os, signal, socket, subprocess, sys, time
from pathlib import Path

run = Path(os.environ["SYSMGR_ROOT"], "run")
address, pid_file = str(run / "socket"), run / "pid"
version = Path(__file__).with_name("version").read_text()

def ask():
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address)
        return client.recv(100).decode()

def status():
    try:
        return bool(ask())
    except OSError:
        return False

if sys.argv[1] == "serve":
    with socket.socket(socket.AF_UNIX) as server:
        Path(address).unlink(missing_ok=True)
        server.bind(address)
        server.listen()
        pid_file.write_text(str(os.getpid()))
        while True:
            with server.accept()[0] as client:
                client.sendall(f"{version} {os.getpid()}".encode())
elif sys.argv[1] == "start":
    run.mkdir(exist_ok=True)
    subprocess.Popen([sys.executable, __file__, "serve"], start_new_session=True)
    for _ in range(100):
        if status():
            sys.exit(0)
        time.sleep(0.1)
    sys.exit(1)
elif sys.argv[1] == "stop":
    os.kill(int(pid_file.read_text()), signal.SIGTERM)
elif sys.argv[1] == "status":
    sys.exit(0 if status() else 1)
"""


def build(product: Product, version: str, source: Path) -> Path:
    """Build a package of a source folder; return its path."""
    out = source.parent / f"out-{version}"
    out.mkdir()
    made = product.manage("build_package", str(source), "--release", version, "--output", str(out))
    assert made.returncode == 0, made.stderr
    return out / f"updatepackage_{version}.tar.gz"


def failing(folder: Path, service: str) -> Path:
    """Make the source of a package whose status check always says no."""
    source = folder / "failing"
    (source / service).mkdir(parents=True)
    (source / service / "file").write_text("new\n")
    hook = f'[services.{service}.commands.status]\nargv = ["false"]\nseconds = 1\n'
    (source / "package.toml").write_text(hook)
    return source


def gated(folder: Path, service: str, gate: Path) -> Path:
    """Make the source of a package whose status says yes once the file `gate` is there; it waits for it."""
    source = folder / f"gated-{service}"
    (source / service).mkdir(parents=True)
    (source / service / "file").write_text("new\n")
    hook = f'[services.{service}.commands.status]\nargv = ["test", "-e", "{gate}"]\nseconds = 120\n'
    (source / "package.toml").write_text(hook)
    return source


def daemon(folder: Path, service: str, version: str, *hooks: str) -> Path:
    """Make the source of a package whose service is a process that answers with its version and pid."""
    source = folder / f"daemon-{version}"
    (source / service).mkdir(parents=True)
    (source / service / "control.py").write_text(CONTROL)
    (source / service / "version").write_text(version)
    lines = []
    for hook in hooks:
        lines += [f"[services.{service}.commands.{hook}]", f'argv = ["{sys.executable}", "control.py", "{hook}"]']
        lines += ['folder = "."', "seconds = 15"]
    (source / "package.toml").write_text("\n".join(lines) + "\n")
    return source


def fill(folder: Path, seed: str, files: int, size: int) -> None:
    """Write files that don't compress, the same for the same seed."""
    chance = random.Random(seed)
    for number in range(files):
        path = folder / "data" / f"{number % 10}" / f"file-{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(size))
