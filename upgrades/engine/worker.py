"""The leader's engine: finds runs that do not rest and drives them side by side."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import time
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import DatabaseError, close_old_connections

from cluster.leader import LostLeadership
from sysmgr.api.fields import StrictUUIDField
from upgrades import intake
from upgrades.models import UpgradeRun

from .packages import work_folders
from .run import Drive

log = logging.getLogger("sysmgr.engine")
POLL_SECONDS = 0.5


class Engine:
    """Drives all runs under one term. A host is held by one run, so runs never meet on a host."""

    def __init__(self, term: int) -> None:
        self.term = term
        self._driven: dict[UUID, asyncio.Task[None]] = {}

    async def serve(self, stop: asyncio.Event) -> None:
        """Work until `stop`; steps under way on hosts end by themselves. Raises LostLeadership."""
        try:
            with contextlib.suppress(DatabaseError):
                await sync_to_async(_sweep)()
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
            if error is not None:
                # The run is as its last commit left it; it is driven again from there.
                log.error("run %s was interrupted", uuid, exc_info=error)
                await asyncio.sleep(2)
        try:
            waiting = await sync_to_async(_waiting)()
        except DatabaseError:
            return
        for uuid in waiting:
            if uuid not in self._driven:
                self._driven[uuid] = asyncio.create_task(Drive(uuid, self.term).go())


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
