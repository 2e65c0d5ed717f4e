"""Starting and stopping `manage.py serve`: what it prints, what it leaves alone, how it ends, how it heals."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.requirements import requires
from tests.server import packages
from tests.server.hosts import host, on_disk
from tests.server.processes import alive, group, until
from tests.server.product import ROOT, Product, server_url

TERM_SECONDS = 10


def inodes(folder: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of change of everything below a folder."""
    found: dict[str, tuple[int, int]] = {}
    for path in sorted(folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):  # a server at work replaces files
            found[str(path.relative_to(folder))] = (path.lstat().st_ino, path.lstat().st_mtime_ns)
    return found


def is_a_look(name: str) -> bool:
    """Whether a path below the data directory is where each leader leaves its term on the demo's hosts."""
    return bool(re.fullmatch(r"demo-hosts/[^/]+(/\.sysmgr.*)?", name))


def lasting(data: Path) -> dict[str, tuple[int, int]]:
    """Return the same of what a first start makes and no later one touches."""
    found: dict[str, tuple[int, int]] = {}
    for name in ("keys", "demo-hosts", "packages", "static"):
        found |= {f"{name}/{path}": facts for path, facts in inodes(data / name).items()}
    found = {name: facts for name, facts in found.items() if not is_a_look(name)}
    password = (data / "initial-admin-password").stat()
    return {**found, "password": (password.st_ino, password.st_mtime_ns)}


def ends(server: Product, number: int = signal.SIGTERM, *, to: int = 0) -> int:
    """Send a signal to the server (or `to`) and return its exit code; it and its children end within 10 s."""
    parts = server.parts()
    assert len(parts) == 4, parts
    begun = time.monotonic()
    os.kill(to or server.pid, number)
    code = server.launched().wait(timeout=TERM_SECONDS)
    until("all children ended", lambda: not any(map(alive, parts)), TERM_SECONDS - (time.monotonic() - begun))
    return code


def test_the_first_and_the_second_start(bare: Product) -> None:
    bare.start()
    address, user, password, upgrade = bare.said()
    assert address.split() == ["address", f"http://127.0.0.1:{bare.port}/admin/"]
    assert user.split() == ["user", "admin"]
    file = bare.data / "initial-admin-password"
    assert password.split() == ["password", "file", str(file)]
    assert file.stat().st_mode & 0o777 == 0o600
    assert bare.password() not in "\n".join(bare.printed()) + bare.errors()
    assert (bare.data / "sysmgr.pid").read_text().strip() == str(bare.pid)
    own = bare.data / "sysmgr-127.0.0.1.pid"
    assert (own.exists() and own.read_text().strip() == str(bare.pid)) == bool(server_url())

    before = lasting(bare.data)
    assert ends(bare) == 0
    assert not (bare.data / "sysmgr.pid").exists() and not own.exists()
    bare.start()
    assert len(bare.said()) == 4
    assert lasting(bare.data) == before

    label, _, command = upgrade.partition("first upgrade")
    assert (label, "postgres" in command) == ("", False)
    # As printed, in a shell; only DATABASE_URL is not part of it, for it may hold a password.
    environment = {k: v for k, v in bare.environment().items() if k != "SYSMGR_DATA_DIR"}
    done = subprocess.run(
        ["sh", "-c", f"{command.strip()} --yes"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (host(bare, "10.30.12.55") / "storage" / "current").readlink() == Path("releases/1.5")
    assert bare.printed()[4:] == []


def test_without_the_demo(bare: Product) -> None:
    bare.variables["SYSMGR_DEMO"] = "false"
    bare.start()
    address, user, password, check = bare.said()
    assert address.startswith("address ") and user.startswith("user ") and password.startswith("password file ")
    label, _, command = check.partition("first check")
    assert label == ""
    done = subprocess.run(
        ["sh", "-c", command], cwd=ROOT, env=bare.environment(), capture_output=True, timeout=60, check=False
    )
    assert b"leader" in done.stdout
    assert bare.log_in()["default_cluster_uuid"] == ""
    answer = bare.request("GET", "setting/inspect")
    assert (answer.status_code, answer.json()["desc"]) == (404, "cluster_uuid")
    assert not (bare.data / "demo-hosts").exists() and not (bare.data / "packages").exists()


def test_sigterm_while_a_request_and_an_upgrade_are_under_way(fresh: Product, tmp_path: Path) -> None:
    fresh.start()
    packages.fill(tmp_path / "source" / "storage", "new", 200, 60_000)
    fresh.upload(packages.build(fresh, "1.6", tmp_path / "source"))
    answers: list[int] = []
    body = {"list": [{"host_ip": "10.30.12.55", "service_type": "storage", "version": "1.6"}], "wait": True}

    def ask() -> None:
        try:
            answers.append(fresh.request("POST", "compute/version/upgrade", json=body).status_code)
        except httpx.HTTPError:
            answers.append(0)

    asking = threading.Thread(target=ask)
    asking.start()
    tasks = host(fresh, "10.30.12.55") / ".sysmgr" / "tasks"
    until("a step runs", lambda: list(tasks.glob("*/*.mark")), 20, pause=0.005)
    assert ends(fresh) == 0
    asking.join(30)
    assert answers
    fresh.start()
    until("no run is left", lambda: all(r["end_time"] for r in fresh.get("upgrade/list")["list"]), 60, pause=0.1)
    (run,) = fresh.get("upgrade/list")["list"]
    assert run["state"] == "succeeded"
    assert len(on_disk(host(fresh, "10.30.12.55") / "storage" / "current")) == 200


def test_a_killed_server_takes_its_children_along(fresh: Product) -> None:
    fresh.start()
    parts = fresh.parts()
    assert len(parts) == 4, parts
    os.kill(fresh.pid, signal.SIGKILL)
    fresh.launched().wait(timeout=10)
    fresh.launch()  # at once, while its children end
    until("the children are gone", lambda: not any(map(alive, parts)), 15)  # until then they may answer
    assert fresh.wait_ready(), fresh.errors()
    assert len(fresh.said()) == 4
    assert fresh.get("member/list")["ready"] is True
    assert (fresh.data / "sysmgr.pid").read_text().strip() == str(fresh.pid)


@pytest.mark.timeout(240)
def test_killed_parts_are_replaced(server: Product) -> None:
    def replaced(old: list[int]) -> bool:
        now = server.parts()
        return len(now) == 4 and not set(old) & set(now) and server.is_ready()

    (worker, other), web, manager = server.workers(), server.web(), server.manager()
    os.kill(worker, signal.SIGKILL)
    until("a worker is replaced", lambda: replaced([worker]), 60)
    assert (server.web(), server.manager(), other in server.workers()) == (web, manager, True)

    os.kill(manager, signal.SIGKILL)
    until("the manager is replaced", lambda: replaced([manager]), 60)
    assert server.web() == web

    workers = server.workers()
    os.kill(web, signal.SIGKILL)
    until("no worker of a dead granian serves", lambda: not any(map(alive, workers)), 5)
    until("granian is replaced", lambda: replaced([web, *workers]), 60)

    for pid in server.workers():
        os.kill(pid, signal.SIGKILL)
    until("granian or its workers are replaced", lambda: len(server.workers()) == 2 and server.is_ready(), 60)
    assert server.get("member/list")["ready"] is True


@pytest.mark.parametrize("whole_group", [False, True], ids=["make", "group"])
def test_make_run(bare: Product, whole_group: bool) -> None:
    requires("make", "apt-get install make")
    if not (ROOT / ".venv" / ".run-stamp").exists() or not shutil.which("sh"):
        pytest.skip("the Makefile's virtual environment is not set up")
    make = bare.launch("make", "-s", "run")
    assert bare.wait_ready()
    assert len(bare.said()) == 4
    running = group(make.pid)
    assert len(running) == 6, running  # make, server, manager, granian and its two workers
    begun = time.monotonic()
    if whole_group:
        os.killpg(make.pid, signal.SIGTERM)
    else:
        os.kill(make.pid, signal.SIGTERM)
    make.wait(timeout=TERM_SECONDS)
    until("all ended", lambda: not group(make.pid), TERM_SECONDS - (time.monotonic() - begun))
    assert not (bare.data / "sysmgr.pid").exists()
    assert "Traceback" not in bare.errors()
