"""The drill's stage: a cluster, hosts as folders, packages, and leaders that come one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.utils import timezone

from cluster.leader import Lease, LostLeadership
from cluster.models import Cluster, Host, HostService, LeaderLease
from cluster.services import create_cluster
from sysmgr import env
from sysmgr.audit.services import SYSTEM
from upgrades import trust
from upgrades.engine.run import Drive
from upgrades.intake import import_file, store
from upgrades.models import HostHold, UpgradeRun
from upgrades.package.build import build_package
from upgrades.package.sign import create_key, public_key_text
from upgrades.services import request_upgrade

SERVICE, OLD, GOOD, ILL, SPOILT = "compute", "1.0", "2.0", "3.0", "4.0"
_FILES, _BYTES = 20, 40_000
_COMMANDS = """
[services.compute.commands.stop]
argv = ["sh", "-c", "rm -f ../../running"]
seconds = 20
[services.compute.commands.start]
argv = ["sh", "-c", "echo $SYSMGR_VERSION >../../running; echo start >>../../starts"]
seconds = 20
[services.compute.commands.status]
argv = ["sh", "-c", "test -f ../../running"]
seconds = 5
[services.compute.commands.health]
argv = ["sh", "-c", "sleep 0.2; test $SYSMGR_VERSION != 3.0"]
seconds = 1
"""


class Stage:
    """One installation for the drill, below the data directory of this process."""

    def __init__(self) -> None:
        self.cluster: Cluster = create_cluster("drill", SYSTEM)
        self.folder = env.DATA_DIR / "drill"
        self.folder.mkdir()
        key = create_key(self.folder / "key")
        trust.add(self.cluster, "drill", public_key_text(key), None, SYSTEM)
        for version in (GOOD, ILL, SPOILT):
            source = self._release(self.folder / f"source-{version}" / SERVICE, version).parent
            (source / "package.toml").write_text(_COMMANDS)
            import_file(self.cluster, build_package(source, version, self.folder, key), SYSTEM)
        with (store(self.cluster) / f"updatepackage_{SPOILT}.tar.gz").open("r+b") as file:
            file.seek(4000)
            file.write(b"spoilt")
        self._made = 0

    def _release(self, folder: Path, version: str) -> Path:
        folder.mkdir(parents=True)
        for number in range(_FILES):
            (folder / f"file-{number}").write_bytes(f"{version} {number} ".encode().ljust(_BYTES, b"."))
        return folder

    def hosts(self, count: int, below: Path | None = None) -> list[Host]:
        """Make so many hosts that run the old release, in folders of their own."""
        made = []
        for _ in range(count):
            self._made += 1
            root = (below or self.folder / "hosts") / f"host-{self._made}"
            self._release(root / SERVICE / "releases" / OLD, OLD)
            (root / SERVICE / "current").symlink_to(f"releases/{OLD}")
            (root / SERVICE / "running").write_text(OLD)
            address = f"192.0.2.{self._made}"
            host = Host.objects.create(cluster=self.cluster, host_ip=address, transport="local", root=str(root))
            HostService.objects.create(host=host, service_type=SERVICE, version=OLD)
            made.append(host)
        return made

    def lead(self) -> int:
        """Let a new leader come, whoever led before; return its term."""
        LeaderLease.objects.update(holder=None, address="", expires_at=None)
        lease = Lease("drill", ttl_seconds=3600)
        assert lease.acquire()
        return lease.term

    def ask(self, hosts: list[Host], version: str, **options: Any) -> UpgradeRun:
        """Ask for the upgrade of all hosts; somebody must lead."""
        wanted = [{"host_ip": host.host_ip, "service_type": SERVICE, "version": version} for host in hosts]
        return request_upgrade(self.cluster, wanted, options, SYSTEM)

    def drive(self, run: UpgradeRun, term: int) -> UpgradeRun:
        """Drive the run until it rests; a leader that has to stop just stops."""
        with contextlib.suppress(LostLeadership):
            asyncio.run(Drive(run.pk, term).go())
        run.refresh_from_db()
        return run

    def forget(self, run: UpgradeRun) -> None:
        """Let a run that rests be over, so that its hosts are free."""
        HostHold.objects.filter(run=run).delete()
        UpgradeRun.objects.filter(pk=run.pk, end_time=None).update(
            state=UpgradeRun.State.CANCELLED, paused_by="", end_time=timezone.now()
        )


def tree(folder: Path) -> Mapping[str, str]:
    """Return the digest of every file below a folder, and the target of every link."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = f"-> {path.readlink()}"
        elif path.is_file():
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def runs(host: Host) -> str:
    """Return what the host's `current` names, and what its service said when it was started last."""
    service = Path(host.root) / SERVICE
    current = (service / "current").readlink().name
    running = (service / "running").read_text().strip() if (service / "running").exists() else "nothing"
    return current if current == running else f"{current}, but {running} was started"


def on_old(host: Host, before: Mapping[str, str]) -> bool:
    """Whether the host runs the old release, byte for byte as it was."""
    return runs(host) == OLD and tree(Path(host.root) / SERVICE / "releases" / OLD) == before


def on_new(host: Host, version: str) -> bool:
    """Whether the host runs the new release, file by file as it was made."""
    made = tree(env.DATA_DIR / "drill" / f"source-{version}" / SERVICE)
    return runs(host) == version and tree(Path(host.root) / SERVICE / "releases" / version) == made
