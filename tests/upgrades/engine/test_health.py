"""Whether a service is well before and after its change, on real folders: left out, let pass, brought back."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.models import Cluster, Host, HostService
from sysmgr.audit.services import SYSTEM
from sysmgr.events.models import Event
from upgrades.controls import resume

from .drive import IP, ask, broken_package, content, drive, root
from .ward import commands, folder, item, probed, quick, steps

__all__ = ["folder", "quick"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_what_was_unwell_before_is_left_out_and_not_blamed(demo_cluster: Cluster, term: int, folder: Path) -> None:
    probed(demo_cluster, folder, "echo no quorum; exit 1")
    old = content(root() / "storage")
    run = drive(ask(demo_cluster, "storage", "compute", fail_count=1), term)
    left = item(run)
    assert (left.state, left.skip_reason, left.scode) == ("skipped", "was unhealthy before: look: no quorum", 0)
    assert (run.state, item(run, "compute").state) == ("succeeded", "committed")
    assert "1 of 2" in run.message
    assert content(root() / "storage") == old
    assert HostService.objects.get(host__host_ip=IP, service_type="storage").catch_up == "1.5"
    assert Event.objects.filter(kind="upgrade.item.unwell", severity="warning").count() == 1
    assert not (root() / "packages" / "1.5").exists()


def test_who_upgrades_because_it_is_unwell_waives_that(demo_cluster: Cluster, term: int, folder: Path) -> None:
    probed(demo_cluster, folder, f"grep -q 1.5 {root()}/storage/current/etc/storage.conf")
    waiver = {"host_ip": IP, "check": "health", "reason": "the new release mends it"}
    run = drive(ask(demo_cluster, "storage", waive=[waiver]), term)
    assert (run.state, item(run).state) == ("succeeded", "committed")


def test_the_running_release_is_asked_by_its_own_commands(demo_cluster: Cluster, term: int, tmp_path: Path) -> None:
    """A package whose own check is broken is to blame itself; one that runs here and says no is not touched."""
    sick = tmp_path / "sick"
    broken_package(demo_cluster, tmp_path, "2.0", commands(health=f"test ! -e {sick}"))
    broken_package(demo_cluster, tmp_path, "3.0", commands(health="false"))
    assert drive(ask(demo_cluster, "storage", version="2.0"), term).state == "succeeded"
    bad = drive(ask(demo_cluster, "storage", version="3.0"), term)
    assert item(bad).state == "rolled_back"
    sick.touch()
    run = drive(ask(demo_cluster, "storage", version="3.0"), term)
    assert (item(run).state, item(run).skip_reason) == ("skipped", "was unhealthy before: health says no")


def test_a_release_that_lacks_the_program_is_not_left_out(demo_cluster: Cluster, term: int, tmp_path: Path) -> None:
    toml = '[services.storage.commands.health]\nargv = ["bin/not-there-yet"]\nseconds = 1\n'
    broken_package(demo_cluster, tmp_path, "2.0", toml)
    assert item(drive(ask(demo_cluster, "storage", version="2.0"), term)).state == "rolled_back"


def test_a_first_upgrade_asks_the_release_by_its_own_programs(demo_cluster: Cluster, term: int, tmp_path: Path) -> None:
    (root() / "storage" / "current" / "well").write_text("#!/bin/sh\nexit 1\n")
    (root() / "storage" / "current" / "well").chmod(0o755)
    broken_package(
        demo_cluster, tmp_path, "2.0", '[services.storage.commands.status]\nargv = ["./well"]\nseconds = 1\n'
    )
    run = drive(ask(demo_cluster, "storage", version="2.0"), term)
    assert (item(run).state, item(run).skip_reason) == ("skipped", "was unhealthy before: status says no")


def test_a_probe_that_cannot_be_asked_fails_before_anything_is_touched(
    demo_cluster: Cluster, term: int, folder: Path
) -> None:
    demo_cluster.probes = {"storage": {"kind": "command", "name": "gone"}}
    demo_cluster.save()
    old = content(root() / "storage")
    run = drive(ask(demo_cluster, "storage"), term)
    assert (item(run).state, item(run).scode) == ("failed", 4097)
    assert content(root() / "storage") == old and not steps(run)


def test_a_probe_that_fails_afterwards_brings_the_old_release_back(
    demo_cluster: Cluster, term: int, folder: Path
) -> None:
    probed(demo_cluster, folder, f"echo wrong release; ! grep -q 1.5 {root()}/storage/current/etc/storage.conf")
    old = content(root() / "storage" / "current")
    run = drive(ask(demo_cluster, "storage"), term)
    assert (item(run).state, item(run).scode, run.state) == ("rolled_back", 4094, "failed")
    assert "wrong release" in item(run).message
    assert content(root() / "storage" / "current") == old


def test_a_port_that_the_service_opens_lets_it_pass(demo_cluster: Cluster, term: int, port: int) -> None:
    Host.objects.filter(host_ip=IP).update(host_ip="127.0.0.1")  # where this test can serve
    demo_cluster.probes = {"storage": {"kind": "http", "url": f"http://{{host_ip}}:{port}/", "seconds": 1}}
    demo_cluster.save()
    mute = item(drive(ask(demo_cluster, "storage", ip="127.0.0.1"), term))
    assert (mute.state, mute.skip_reason) == ("skipped", "was unhealthy before: no answer within 1 s")
    demo_cluster.probes = {"storage": {"kind": "tcp", "port": port}}
    demo_cluster.save()
    run = drive(ask(demo_cluster, "storage", ip="127.0.0.1"), term)
    assert item(run).state == "committed"
    assert HostService.objects.get(host__host_ip="127.0.0.1", service_type="storage").catch_up == ""


@pytest.mark.parametrize(("path", "state"), [("file", "committed"), ("etc/storage.conf", "rolled_back")])
def test_a_real_service_is_asked_what_it_serves(
    demo_cluster: Cluster, term: int, tmp_path: Path, path: str, state: str
) -> None:
    """The daemon serves its release's files: the old one has `etc/storage.conf`, the new one only `file`."""
    Host.objects.filter(host_ip=IP).update(host_ip="127.0.0.4")
    with socket.create_server(("127.0.0.4", 0)) as free:
        port = free.getsockname()[1]
    pid, old = tmp_path / "pid", (root("127.0.0.4") / "storage" / "current").resolve()
    start = f"setsid {sys.executable} -m http.server {port} --bind 127.0.0.4 >/dev/null 2>&1 & echo $! >{pid}"
    broken_package(demo_cluster, tmp_path, "2.0", commands(start=start, stop=f"kill $(cat {pid}); sleep 0.5"))
    subprocess.run(["sh", "-c", start], cwd=old, check=True, timeout=20)
    try:
        if path == "file":
            (old / "file").write_text("well before")
        url = f"http://{{host_ip}}:{port}/{path}"
        demo_cluster.probes = {"storage": {"kind": "http", "url": url, "seconds": 2}}
        demo_cluster.save()
        wait_until_served(port)
        run = drive(ask(demo_cluster, "storage", ip="127.0.0.4", version="2.0", soak_seconds=1), term)
        assert item(run).state == state, item(run).message
        assert ("answers 404, not 200" in item(run).message) == (state == "rolled_back")
        wait_until_served(port)
        cwd = Path(f"/proc/{pid.read_text().strip()}/cwd").resolve()
        assert cwd.name == ("2.0" if state == "committed" else "1.3")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid.read_text()), signal.SIGKILL)


def wait_until_served(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.4", port), timeout=5):
            return
        time.sleep(0.1)
    pytest.fail("nobody serves")


def test_a_gate_that_closes_pauses_before_the_next_host(demo_cluster: Cluster, term: int, folder: Path) -> None:
    shut = folder.parent / "shut"
    (folder / "gate").write_text(f"#!/bin/sh\ntest ! -e {shut} || {{ echo no quorum; exit 1; }}\n")
    (folder / "gate").chmod(0o755)
    demo_cluster.gate = {"kind": "command", "name": "gate"}
    demo_cluster.save()
    shut.touch()
    run = drive(ask(demo_cluster, "storage"), term)
    assert (run.state, run.paused_by, run.scode) == ("paused", "gate", 4056)
    assert "gate: no quorum" in run.message and item(run).state == "pushing"
    shut.unlink()
    resume(demo_cluster, run.pk, SYSTEM)
    assert drive(run, term).state == "succeeded"
