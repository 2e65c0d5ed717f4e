"""The leader's engine: finds runs that do not rest and drives them side by side."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import shutil
import time
from collections import Counter
from importlib import import_module
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections

from cluster.leader import LostLeadership
from cluster.models import Host
from sysmgr.api.fields import StrictUUIDField
from sysmgr.events.alerts import Trouble, clear_alert, raise_alert
from sysmgr.events.models import Event
from upgrades import intake
from upgrades.models import UpgradeRun

from .packages import work_folders
from .run import Drive

log = logging.getLogger("sysmgr.engine")
POLL_SECONDS, PAUSE_SECONDS = 0.5, 2.0
STUCK, STUMBLES = "upgrade.stuck:", 5


class Engine:
    """Drives all runs under one term. A host is held by one run, so runs never meet on a host."""

    def __init__(self, term: int) -> None:
        self.term = term
        self._driven: dict[UUID, asyncio.Task[None]] = {}
        self._stumbles: Counter[UUID] = Counter()

    async def serve(self, stop: asyncio.Event) -> None:
        """Work until `stop`; steps under way on hosts end by themselves. Raises LostLeadership."""
        try:
            with contextlib.suppress(DatabaseError):
                await sync_to_async(_sweep)()
                await sync_to_async(settle)()
            while not stop.is_set():
                await self._look()
                try:
                    await asyncio.wait_for(stop.wait(), POLL_SECONDS)
                except TimeoutError:
                    continue
        finally:
            for task in self._driven.values():
                task.cancel()

    async def _look(self) -> None:
        for uuid, task in list(self._driven.items()):
            if not task.done():
                continue
            del self._driven[uuid]
            error = task.exception()
            if isinstance(error, LostLeadership):
                raise error
            with contextlib.suppress(DatabaseError):
                await self._tell(uuid, error)
            if error is not None:
                # The run is as its last commit left it; it is driven again from there.
                log.error("run %s was interrupted", uuid, exc_info=error)
                await asyncio.sleep(PAUSE_SECONDS)
        try:
            waiting = await sync_to_async(_waiting)()
        except DatabaseError:
            return
        for uuid in waiting:
            if uuid not in self._driven:
                self._driven[uuid] = asyncio.create_task(Drive(uuid, self.term).go())

    async def _tell(self, uuid: UUID, error: BaseException | None) -> None:
        """Keep an alert open for a run that is interrupted again and again, and that nobody would hear of else; a
        database that is away for a while is told of by others."""
        key = f"{STUCK}{uuid}"
        if error is None:
            self._stumbles.pop(uuid, None)
            await sync_to_async(clear_alert)(key)
        elif not isinstance(error, OperationalError | InterfaceError):
            self._stumbles[uuid] += 1
            if self._stumbles[uuid] >= STUMBLES:
                await sync_to_async(raise_alert)(key, _stuck(uuid, error))


def _stuck(uuid: UUID, error: BaseException) -> Trouble:
    kind = type(error).__name__
    return Trouble(
        f"Upgrade {uuid} does not get on: the manager was interrupted {STUMBLES} times in a row ({kind}) and tries "
        "again. Its hosts stay as the last step left them. The log of the manager says where; show it to whoever "
        "looks after sysmgr.",
        f"升级 {uuid} 无法继续：管理进程已连续中断 {STUMBLES} 次（{kind}），仍在重试。主机保持上一步后的状态。"
        "请查看管理进程的日志，并联系 sysmgr 维护人员。",
        Event.Severity.ERROR,
    )


def settle() -> None:
    """Load once what the first upgrade would: the SSH transport, where a host is reached by it. One query. What is
    loaded stays: the collector, which goes over all objects in each upgrade, is told to leave them out."""
    if Host.objects.filter(transport=Host.Transport.SSH).exists():
        import_module("upgrades.transports.ssh")
    gc.collect()
    gc.freeze()


def _waiting() -> list[UUID]:
    close_old_connections()  # a connection that broke is replaced; nothing else does that outside requests
    runs = UpgradeRun.objects.exclude(state__in=UpgradeRun.RESTING).only("pk", "state", "options")
    return [run.pk for run in runs.order_by("create_time") if not run.early(time.time())]


def _sweep() -> None:
    """Remove what a killed process left: files of packages half taken in, and folders of runs that rest.
    A paused run unpacks its packages again when it goes on."""
    intake.sweep()
    folders = [path for path in work_folders().glob("*") if StrictUUIDField.parse(path.name)]
    living = {str(uuid) for uuid in _waiting()}
    for folder in folders:
        if folder.name not in living:
            shutil.rmtree(folder, ignore_errors=True)
