"""What the steps of a run's items took and said, on its way into the database: off the critical path, in batches."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async
from django.db import DatabaseError

from cluster.leader import LostLeadership
from upgrades.models import StepLog, UpgradeItem

if TYPE_CHECKING:
    from .journal import Journal
    from .stepping import Stepping

log = logging.getLogger("sysmgr.engine")
EVERY_SECONDS = 1.0
MOST_WAITING = 5000  # rows: while the database is away, the oldest are dropped


class Watch:
    """Rows that wait for the next commit: that of a group of moves, else one of their own a second later. They only
    tell what happened: a manager that is killed loses the last second of them, and nothing else."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._rows: list[StepLog] = []
        self._streaming: set[Stepping] = set()
        self._written: dict[Stepping, int] = {}
        self._writer: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._closed = False

    def note(self, row: StepLog) -> None:
        """Keep a row until it is written."""
        self._rows.append(row)
        del self._rows[:-MOST_WAITING]
        self._later()

    def streams(self, task: Stepping) -> None:
        """Follow how much of its payload a task has sent, from now until `streamed`."""
        self._streaming.add(task)
        self._later()

    def streamed(self, task: Stepping) -> None:
        """Stop following; what was sent to the end is written once more."""
        self._streaming.discard(task)
        self._written.setdefault(task, -1)

    def take(self) -> list[StepLog]:
        """Hand over what waits: whoever commits next writes it along."""
        rows, self._rows = self._rows, []
        return rows

    def put_back(self, rows: list[StepLog]) -> None:
        """Take rows back that could not be written."""
        self._rows = [*rows, *self._rows][-MOST_WAITING:]
        self._later()

    async def close(self) -> None:
        """Write what is left: the run rests, or is driven no more."""
        self._closed = True
        await self._write()
        if self._writer is not None:
            self._writer.cancel()

    def _later(self) -> None:
        if not self._closed and (self._writer is None or self._writer.done()):
            self._writer = asyncio.create_task(self._keep_writing())

    async def _keep_writing(self) -> None:
        while self._rows or self._streaming or self._written:
            await asyncio.sleep(EVERY_SECONDS)
            await self._write()

    async def _write(self) -> None:
        async with self._writing:
            await self._write_now()

    async def _write_now(self) -> None:
        rows, moved = self.take(), self._moved()
        if not rows and not moved:
            return
        try:
            await sync_to_async(self.journal.watched)(rows, moved)
        except LostLeadership:
            return  # its next move tells the run
        except DatabaseError as error:
            log.warning("%d step logs wait for the database: %s", len(rows), type(error).__name__)
            self.put_back(rows)

    def _moved(self) -> list[UpgradeItem]:
        """Return the items of which more was sent since they were last written."""
        for task in self._streaming:
            self._written.setdefault(task, -1)
        moved = [task for task, sent in self._written.items() if task.sent != sent]
        for task in moved:
            task.item.sent = task.sent
        self._written = {task: task.sent for task in self._streaming}
        return [task.item for task in moved]
