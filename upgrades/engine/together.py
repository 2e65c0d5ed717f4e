"""What the items of one run have in common: their moves are committed, and what they need is read, in groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async

from cluster.models import Cluster
from sysmgr.errors import SysmgrError
from upgrades.models import Backup, UpgradeItem, UpgradeRun

from .grouped import Grouped
from .journal import Journal, Made, Move
from .run_journal import RunJournal
from .watch import Watch

MOST = 200  # moves in one transaction: one that fails is driven again for all of them


class Together:
    """The one way of a run's items to the database: nobody goes on before his own move is committed."""

    def __init__(self, journal: Journal, watch: Watch | None = None) -> None:
        """`watch`: what the steps said is committed along with the moves."""
        self.journal, self.watch = journal, watch
        self.changes: dict[tuple[int | None, str], UpgradeItem] = {}
        self._move = Grouped[Move, Backup | None](self._commit, MOST)
        self._cluster = Grouped[UUID, Cluster](_clusters)
        self._claim = Grouped[UpgradeItem, Backup](sync_to_async(journal.claims))

    async def move(
        self, item: UpgradeItem, state: str, error: SysmgrError | None = None, made: Made | None = None, **facts: Any
    ) -> Backup | None:
        """Commit an item's next state; raise LostLeadership or DatabaseError, and then nothing of the group came.
        `made`: the item's complete backup, noted in the same transaction; `facts` are told with the event. Return the
        row of the backup that is to be made now, if one is."""
        return await self._move(Move(item, state, error, facts, made))

    async def claim(self, item: UpgradeItem) -> Backup:
        """Return the row of an item's backup that a former leader began, made where there is none; raises as `move`
        does."""
        return await self._claim(item)

    async def cluster(self, uuid: UUID) -> Cluster:
        """Return the cluster as it is now: its gate and probes may be others than before."""
        return await self._cluster(uuid)

    def last_change(self, item: UpgradeItem) -> UpgradeItem | None:
        """Return the item that brought the release which an item's service runs now; None when no run did. It stays
        so while the run holds the host."""
        return self.changes.get((item.host_id, item.service_type))

    async def _commit(self, moves: Sequence[Move]) -> Sequence[Backup | None]:
        self.journal.logs = self.watch.take() if self.watch else []
        try:
            return await sync_to_async(self.journal.items)(moves)
        except Exception:
            if self.watch:
                self.watch.put_back(self.journal.logs)
            raise


def looks(journal: RunJournal, run: UpgradeRun) -> Grouped[None, None]:
    """Return what reads anew, for all who ask, what an operator may have changed of a run."""

    async def look(asked: Sequence[None]) -> Sequence[None]:
        await sync_to_async(journal.look)(run)
        return asked

    return Grouped(look)


@sync_to_async
def _clusters(keys: Sequence[UUID]) -> Sequence[Cluster]:
    found = Cluster.objects.in_bulk(set(keys))
    return [found[key] for key in keys]
