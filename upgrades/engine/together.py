"""Group commit: what many hosts' tasks want to write while a commit is under way is committed together next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from asgiref.sync import sync_to_async

from sysmgr.errors import SysmgrError
from upgrades.models import UpgradeItem

from .journal import Journal, Move
from .watch import Watch

MOST = 200  # moves in one transaction: one that fails is driven again for all of them


class Together:
    """The moves of one run's items: nobody goes on before his own move is committed, and none waits for company."""

    def __init__(self, journal: Journal, watch: Watch | None = None) -> None:
        """`watch`: what the steps said is committed along with the moves."""
        self.journal, self.watch = journal, watch
        self._waiting: list[tuple[Move, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def move(self, item: UpgradeItem, state: str, error: SysmgrError | None = None, **facts: Any) -> None:
        """Commit an item's next state; raise LostLeadership or DatabaseError, and then nothing of the group came."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((Move(item, state, error, facts), done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done

    async def _write(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            error = await self._commit([move for move, _ in group])
            for _, done in group:
                if done.cancelled():
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)

    async def _commit(self, moves: Sequence[Move]) -> BaseException | None:
        self.journal.logs = self.watch.take() if self.watch else []
        try:
            await sync_to_async(self.journal.items)(moves)
        except Exception as error:  # whoever waits for his move gets it
            if self.watch:
                self.watch.put_back(self.journal.logs)
            return error
        return None
