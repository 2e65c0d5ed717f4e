"""One host, a package that does well or badly, and managers that are killed at a given call."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from cluster.members import leader_known
from cluster.models import Cluster, Host, HostService
from sysmgr import env
from sysmgr.audit.services import SYSTEM
from tests.server.hosts import backup_content, content, listed, on_disk, true_facts
from tests.server.moments import remake
from tests.server.processes import until
from tests.server.product import ROOT, clean_environment
from upgrades.intake import DEMO_KEY_FILE, import_file, store
from upgrades.models import Backup, UpgradeItem, UpgradeRun
from upgrades.package.build import build_package
from upgrades.package.sign import load_private_key
from upgrades.services import request_upgrade

OLD, GOOD, BAD, SERVICE = "1.0", "8.0", "9.0", "compute"
TTL = 3
PHASES = ("before", "inside", "after")
# Each command leaves its trace outside of the releases, so that what was done twice shows.
_COMMANDS = """
[services.compute.commands.stop]
argv = ["sh", "-c", "rm -f ../../running; echo stop >>../../trace"]
seconds = 20
[services.compute.commands.start]
argv = ["sh", "-c", "echo start $SYSMGR_VERSION >>../../trace; echo $SYSMGR_VERSION >../../running"]
seconds = 20
[services.compute.commands.status]
argv = ["sh", "-c", "test -f ../../running"]
seconds = 2
[services.compute.commands.health]
argv = ["sh", "-c", "{health}"]
seconds = 1
"""


@dataclass
class Stage:
    """The host, how it is reached, and the shell that stands before its own."""

    cluster: Cluster
    host: Host
    root: Path
    shell: Path
    pristine: Path
    managers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def service(self) -> Path:
        """The service's folder on the host."""
        return self.root / SERVICE

    def reset(self) -> None:
        """Make the host anew, on the disk and in the database; the runs of earlier moments stay."""
        remake(self.root, self.pristine)
        UpgradeItem.objects.update(source=None)
        Backup.objects.all().delete()
        HostService.objects.filter(host=self.host).update(version=OLD, unmanaged=False, catch_up="")
        for name in ("calls", "point"):
            (self.shell / name).write_text("")
        with contextlib.suppress(FileNotFoundError):
            (self.shell / "taken").rmdir()

    def start(self, path: str = "") -> subprocess.Popen[bytes]:
        """Start a manager; with the shell before the real one, or with `path`."""
        name = connection.settings_dict["NAME"]
        url = f"sqlite:///{name}" if connection.vendor == "sqlite" else _server_url(str(name))
        variables = {"SYSMGR_DATA_DIR": str(env.DATA_DIR), "DATABASE_URL": url, "SYSMGR_LEASE_TTL_SECONDS": str(TTL)}
        variables["PATH"] = path or f"{self.shell}:{os.environ['PATH']}"
        with (env.DATA_DIR / "manager.log").open("ab") as log:
            started = subprocess.Popen(
                [sys.executable, "manage.py", "run_manager"],
                cwd=ROOT,
                env=clean_environment(**variables),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.managers.append(started)
        (self.shell / "manager").write_text(str(started.pid))
        return started

    def leading(self) -> subprocess.Popen[bytes]:
        """Return a manager that leads now, started if there is none."""
        alive = [one for one in self.managers if one.poll() is None]
        manager = alive[-1] if alive else self.start()
        until("somebody leads", lambda: _leads(manager.pid), 40, pause=0.05)
        return manager

    def run(self, version: str) -> UpgradeRun:
        """Ask for the upgrade to a version."""
        wanted = [{"host_ip": self.host.host_ip, "service_type": SERVICE, "version": version}]
        return request_upgrade(self.cluster, wanted, {"fail_count": 9}, SYSTEM)

    def rested(self, run: UpgradeRun, seconds: float = 60) -> UpgradeRun:
        """Wait until the run rests."""

        def look() -> bool:
            run.refresh_from_db()
            return run.rests

        until(f"the run rests ({self.calls()})", look, seconds, pause=0.05)
        return run

    def calls(self) -> list[str]:
        """Return the steps that the host was asked for since the last reset."""
        return (self.shell / "calls").read_text().split()

    def undisturbed(self, version: str) -> list[str]:
        """Drive a run that nobody disturbs; return the calls that it makes."""
        self.reset()
        self.leading()
        self.check(self.rested(self.run(version)), version)
        until("the cleanup", lambda: "cleanup" in self.calls(), 20, pause=0.05)
        return self.calls()

    def kill(self, version: str, number: int, phase: str, seconds: float) -> None:
        """Kill the manager at a call of the run, start another one, and check how it ends."""
        self.reset()
        (self.shell / "signal").write_text("KILL")
        manager = self.leading()
        (self.shell / "point").write_text(f"{number} {phase} {seconds}\n")
        run = self.run(version)
        until(
            f"the manager is killed at call {number}: {self.calls}", lambda: manager.poll() is not None, 40, pause=0.01
        )
        assert manager.returncode == -signal.SIGKILL
        self.leading()
        self.check(self.rested(run), version)

    def freeze(self, version: str, number: int, phase: str, seconds: float) -> None:
        """Freeze the manager at a call of the run, let another one drive it, and then let the first one go on."""
        self.reset()
        for name in ("late", "go"):
            (self.shell / name).unlink(missing_ok=True)
        (self.shell / "signal").write_text("STOP")
        frozen = self.leading()
        (self.shell / "point").write_text(f"{number} {phase} {seconds}\n")
        run = self.run(version)
        until(f"the manager is frozen at call {number}", lambda: _frozen(frozen.pid), 40, pause=0.01)
        self.start()
        self.check(self.rested(run), version)
        before, trace = content(self.root), self.calls()
        (self.shell / "go").touch()
        frozen.send_signal(signal.SIGCONT)
        if phase == "before":
            until("the late call has come", (self.shell / "late").exists, 40)
            late = (self.shell / "late").read_text().strip()
            assert late == "11", f"the host did not refuse the late call: it ended with {late}"
        until("the late leader has given up", lambda: frozen.poll() is not None, 40)
        self.check(self.rested(run), version)
        assert content(self.root) == before, (trace, self.calls())

    def check(self, run: UpgradeRun, version: str) -> None:
        """Check that every effect is there, once: the new release proven, or the old one byte for byte."""
        item = run.items.get()
        good = version == GOOD
        assert item.state == ("committed" if good else "rolled_back"), (item.state, item.message, self.calls())
        assert run.state == ("succeeded" if good else "failed")
        runs = GOOD if good else OLD
        assert (self.service / "current").readlink() == Path("releases", runs)
        assert content(self.service / "releases" / OLD) == content(self.pristine / SERVICE / "releases" / OLD)
        if good:
            package = store(self.cluster) / f"updatepackage_{GOOD}.tar.gz"
            assert on_disk(self.service / "current") == listed(package, SERVICE)
        assert HostService.objects.get(host=self.host, service_type=SERVICE).version == runs
        backup = Backup.objects.get(host=self.host)
        file = self.root / "backups" / backup.package_name
        assert true_facts(file) == (backup.md5, backup.size)
        assert backup_content(file) == content(self.pristine / SERVICE / "releases" / OLD)
        assert (self.service / "running").read_text().strip() == runs
        trace = (self.service / "trace").read_text().split("\n")
        assert trace.count(f"start {version}") == 1, trace
        assert trace.count(f"start {OLD}") == (0 if good else 1), trace
        until("the last files are removed", lambda: not self.leftovers(file, good), 25, pause=0.05)

    def leftovers(self, backup: Path, good: bool) -> list[str]:
        """Return what should not be there once a run rests."""
        releases = {self.service / "releases" / OLD, *([self.service / "releases" / GOOD] if good else [])}
        found = {*(self.root / "packages").glob("*"), *(self.root / "backups").iterdir()} - {backup}
        found |= {*(self.service / "releases").iterdir()} - releases
        found |= {*(env.DATA_DIR / "work").glob("*")}
        return sorted(map(str, found))


def _frozen(pid: int) -> bool:
    """Whether all threads of a process are stopped."""
    return "\nState:\tT" in Path(f"/proc/{pid}/status").read_text()


def _leads(pid: int) -> bool:
    log = (env.DATA_DIR / "manager.log").read_text(errors="replace")
    return leader_known() and "leading with term" in log and Path(f"/proc/{pid}").exists()


def _server_url(name: str) -> str:
    return os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"


def packages(cluster: Cluster, folder: Path) -> None:
    """Take in one package that does well and one whose health check fails."""
    for version, health in ((GOOD, "true"), (BAD, "test $SYSMGR_VERSION != 9.0")):
        source, out = folder / f"source-{version}", folder / f"out-{version}"
        out.mkdir()
        for number in range(12):
            file = source / SERVICE / f"part-{number % 3}" / f"file-{number}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(f"{version} {number} ".encode() * 3000)
        (source / "package.toml").write_text(_COMMANDS.replace("{health}", health))
        key = load_private_key(env.DATA_DIR / "keys" / DEMO_KEY_FILE)
        import_file(cluster, build_package(source, version, out, key), SYSTEM)


def lay(root: Path) -> None:
    """Make the host's folder: an old release that runs."""
    release = root / SERVICE / "releases" / OLD
    release.mkdir(parents=True)
    for number in range(6):
        (release / f"file-{number}").write_bytes(f"old {number} ".encode() * 2000)
    (root / SERVICE / "current").symlink_to(f"releases/{OLD}")
    (root / SERVICE / "running").write_text(OLD)
    (root / SERVICE / "trace").write_text("")


def shell(folder: Path) -> Path:
    """Make the folder with the shell that stands before the real one."""
    folder.mkdir(exist_ok=True)
    (folder / "real").write_text(str(shutil.which("dash") or "/bin/sh"))
    (folder / "sh").write_text(Path(__file__).with_name("sh.sh").read_text())
    (folder / "sh").chmod(stat.S_IRWXU)
    for name in ("calls", "point"):
        (folder / name).write_text("")
    (folder / "signal").write_text("KILL")
    return folder


@contextlib.contextmanager
def staged(cluster: Cluster, folder: Path, row: dict[str, Any], root: Path) -> Iterator[Stage]:
    """Make a stage for a host that `row` reaches; its managers end with the block."""
    lay(root)
    pristine = folder / "pristine"
    shutil.copytree(root, pristine, symlinks=True)
    host = Host.objects.create(cluster=cluster, **row)
    HostService.objects.create(host=host, service_type=SERVICE, version=OLD)
    packages(cluster, folder)
    (folder / "shell" / "root").write_text(str(root))
    made = Stage(cluster, host, root, folder / "shell", pristine)
    try:
        yield made
    finally:
        for manager in made.managers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(manager.pid, signal.SIGKILL)
            manager.wait(timeout=10)
    assert settings.DATABASES  # the managers had the test's own database
