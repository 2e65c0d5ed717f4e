"""Driving one run: package, prechecks, preload, then host by host within what the cluster can miss."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections import defaultdict
from pathlib import Path
from uuid import UUID

from asgiref.sync import sync_to_async

from cluster.models import Host, ServiceType
from sysmgr import env
from sysmgr.errors import SysmgrError
from upgrades import agent
from upgrades.errors import HostUnreachable, ItemsFailed, PackageUnusable, PrecheckFailed
from upgrades.intake import store, trusted_keys
from upgrades.models import UpgradeItem, UpgradePackage, UpgradeRun
from upgrades.package.manifest import Manifest
from upgrades.package.sign import load_public_key
from upgrades.package.unpack import unpack_package
from upgrades.transports.base import Result, Transport, Unreachable
from upgrades.transports.local import LocalTransport

from .journal import Journal
from .task import State, Task

_ENDED = (State.COMMITTED, State.FAILED, State.ROLLED_BACK, State.SKIPPED, State.INCONSISTENT)
_BAD = (State.FAILED, State.ROLLED_BACK, State.INCONSISTENT)
_SPARE_KB = 10 * 1024


class Drive:
    """One run under one leader's term. Driving a half-done run again goes on from the hosts' own markers."""

    def __init__(self, run_uuid: UUID, term: int) -> None:
        self.run_uuid = run_uuid
        self.journal = Journal(term)
        self.work = env.DATA_DIR / "work" / str(run_uuid)

    async def go(self) -> None:
        """Drive the run to its end; raise LostLeadership when somebody else leads."""
        await sync_to_async(self._load)()
        if self.run.rests:
            return
        error: SysmgrError | None = None
        try:
            if self.run.state == UpgradeRun.State.PENDING:
                await sync_to_async(self.journal.run)(self.run, UpgradeRun.State.PRECHECKING)
            tasks = await self._tasks()
            if self.run.state == UpgradeRun.State.PRECHECKING:
                await self._precheck(tasks)
                await sync_to_async(self.journal.run)(self.run, UpgradeRun.State.RUNNING)
            else:
                await self._take_hosts(tasks)
            error = await self._roll(tasks)
        except (PackageUnusable, PrecheckFailed, HostUnreachable) as refused:
            error = refused
        await sync_to_async(self.journal.end)(self.run, error)
        await asyncio.to_thread(shutil.rmtree, self.work, True)

    def _load(self) -> None:
        self.run = UpgradeRun.objects.select_related("cluster").get(pk=self.run_uuid)
        self.items = list(self.run.items.select_related("host", "package", "run").order_by("ordinal"))

    async def _tasks(self) -> dict[Host, list[Task]]:
        unpacked: dict[int, tuple[Manifest, Path]] = {}
        transports: dict[int, Transport] = {}
        tasks: dict[Host, list[Task]] = defaultdict(list)
        for item in self.items:
            if item.package_id not in unpacked:
                unpacked[item.package_id] = await sync_to_async(self._unpack)(item.package)
            manifest, folder = unpacked[item.package_id]
            transport = transports.setdefault(item.host_id, LocalTransport(Path(item.host.root)))
            tasks[item.host].append(Task(item, self.journal, transport, manifest, folder))
        return tasks

    def _unpack(self, package: UpgradePackage) -> tuple[Manifest, Path]:
        """Check the store's file against its row and its signature, and unpack it anew for this run."""
        path, folder = store(self.run.cluster) / package.package_name, self.work / package.version
        shutil.rmtree(folder, ignore_errors=True)
        self.work.mkdir(parents=True, exist_ok=True)
        keys = {key.fingerprint: load_public_key(key.public_key) for key in trusted_keys(self.run.cluster)}
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != package.sha256:
                raise PackageUnusable(name=package.package_name, reason="its digest differs")
            return unpack_package(path, folder, keys).manifest, folder
        except OSError as error:
            raise PackageUnusable(name=package.package_name, reason=error.strerror or "unreadable") from None
        except PackageUnusable:
            raise
        except SysmgrError as error:
            raise PackageUnusable(name=package.package_name, reason=error.name()) from None

    async def _ask(self, task: Task, step: str, word: str) -> Result:
        host = task.item.host.host_ip
        words = (step, str(self.run.cluster_id), str(self.journal.term), word, "-")
        try:
            await task.transport.install()
            result = await task.transport.run(*words, seconds=120)
        except Unreachable as error:
            raise HostUnreachable(host=host, reason=str(error)) from None
        if result.code:
            raise PrecheckFailed(check=step, host=host, reason=result.error or f"exit {result.code}")
        return result

    async def _take_hosts(self, tasks: dict[Host, list[Task]]) -> None:
        """Fence each host of a live run before anything else is asked of it."""
        for mine in tasks.values():
            await self._ask(mine[0], "fence", "-")

    async def _precheck(self, tasks: dict[Host, list[Task]]) -> None:
        """Run the named checks on every host: each failure marks its item, and any one refuses the run."""
        failures: list[SysmgrError] = []
        for mine in tasks.values():
            for task in mine:
                try:
                    await self._ask(task, "fence", "-")
                    check(task, await self._ask(task, "inspect", "-"))
                except (PrecheckFailed, HostUnreachable) as error:
                    failures.append(error)
                    if task.item.state == State.PENDING:  # a run that goes on may have marked it already
                        await task.move(State.FAILED, error)
        if failures:
            raise failures[0]

    async def _roll(self, tasks: dict[Host, list[Task]]) -> SysmgrError | None:
        """Preload all hosts, then change them; return why the run failed, or None."""
        hosts = asyncio.Semaphore(int(self.run.options.get("max_parallel", 10)))

        async def preload(mine: list[Task]) -> None:
            async with hosts:
                for task in mine:
                    if task.item.state in (State.PENDING, State.PUSHING):
                        try:
                            await task.push()
                        except SysmgrError as error:
                            await task.move(State.FAILED, error)
                            await task.clean()

        await asyncio.gather(*(preload(mine) for mine in tasks.values()))
        slots = self._slots(tasks)

        async def change(mine: list[Task]) -> None:
            async with hosts:
                for task in mine:
                    async with slots[task.item.service_type]:
                        if task.item.state in _ENDED:
                            continue
                        if self._reached() and task.item.state == State.PUSHING:
                            await task.move(State.SKIPPED)
                            await task.clean()
                            continue
                        await task.change()

        await asyncio.gather(*(change(mine) for mine in tasks.values()))
        failed = sum(item.state in _BAD for item in self.items)
        return ItemsFailed(count=failed, all=len(self.items)) if failed else None

    def _reached(self) -> bool:
        failed = sum(item.state in _BAD for item in self.items)
        percent = self.run.options.get("fail_percent")
        at = self.run.options.get("fail_count", 1)
        if percent is not None:
            at = min(at, max(1, len(self.items) * percent // 100))
        return failed >= int(at)

    def _slots(self, tasks: dict[Host, list[Task]]) -> dict[str, asyncio.Semaphore]:
        """Return how many of each service may be away at once: cloud 1, storage 1, compute 10 %, at least 1."""
        given = self.run.options.get("max_unavailable", {})
        defaults = {ServiceType.CLOUD: 1, ServiceType.STORAGE: 1, ServiceType.COMPUTE: max(1, len(tasks) // 10)}
        return {str(service): asyncio.Semaphore(given.get(service, most)) for service, most in defaults.items()}


def check(task: Task, found: Result) -> None:
    """Raise PrecheckFailed, naming the check, when the host can't take this item."""
    item: UpgradeItem = task.item
    lines = [line.split(" ") for line in found.output.splitlines()]

    def refuse(name: str, reason: str) -> None:
        raise PrecheckFailed(check=name, host=item.host.host_ip, reason=reason)

    if ["protocol", str(agent.PROTOCOL)] not in lines:
        refuse("protocol", "the host's script speaks another protocol")
    missing = [line[1] for line in lines if line[0] == "missing"]
    if missing:
        refuse("tools", ", ".join(missing))
    if ["writable", "yes"] not in lines:
        refuse("writable", "the host's folder can't be written")
    versions = {line[1]: line[2] for line in lines if line[0] == "service"}
    version = versions.get(item.service_type, "-")
    if version == "-":
        refuse("managed", f"{item.service_type} has no `current` that points at a release")
    if version not in (item.from_version, item.to_version):
        refuse("version", f"the host runs {version}, not {item.from_version}")
    release = {line[1]: int(line[2]) for line in lines if line[0] == "release_kb"}
    payload = sum(entry.size for _, entry in task.manifest.files_of(item.service_type)) // 1024
    free = next((int(line[1]) for line in lines if line[0] == "free_kb"), 0)
    # The payload is there twice (pushed, staged), and so is the old release (backup, read back).
    needed = 2 * payload + 2 * release.get(item.service_type, 0) + _SPARE_KB
    if free < needed:
        refuse("disk_space", f"{free} KiB are free, {needed} KiB are needed")
