"""The leader lease: compared and set in the database, kept by renewal, fenced by its term.

PostgreSQL: TTL by database time. SQLite: exactly one manager process, proven by an exclusive file lock
beside the database, takes the lease at each start with a new term.
"""

from __future__ import annotations

import fcntl
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import IO

from django.db import connection, transaction
from django.db.models import F, Q

from sysmgr import __version__, env

from .clock import database_now
from .models import LeaderLease, Member


class LostLeadership(Exception):
    """Somebody else leads, or nobody can tell: whoever led must stop acting."""


class ManagerRunning(Exception):
    """Another manager process holds the file lock beside this SQLite database."""


class Lease:
    """One process's claim to lead. Not thread-safe: one thread keeps it, others only read `acting`."""

    def __init__(self, address: str, *, ttl_seconds: float = env.LEASE_TTL_SECONDS) -> None:
        self.holder = uuid.uuid4()
        self.address = address
        self.ttl = ttl_seconds
        self.renew_seconds = ttl_seconds / 5  # 3 s of 15: three renewals may fail before the holder stops acting
        self.term = 0
        self._renewed_at = 0.0
        self._file: IO[str] | None = None

    @property
    def acting(self) -> bool:
        """Whether the holder may still act: two thirds of the TTL on its own monotonic clock, counted
        from before the renewal was sent, so that it stops before anybody else can start."""
        return self.term > 0 and time.monotonic() - self._renewed_at < self.ttl * 2 / 3

    def lock_sqlite(self) -> None:
        """Take the exclusive lock beside an SQLite database, or raise ManagerRunning; else do nothing."""
        if connection.vendor != "sqlite" or self._file is not None:
            return
        path = Path(str(connection.settings_dict["NAME"]) + ".manager.lock")
        handle = path.open("a")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            raise ManagerRunning(f"another manager holds {path.name}") from None
        self._file = handle

    @transaction.atomic
    def acquire(self) -> bool:
        """Try to become leader: True when this process now holds the lease, with a new term."""
        before = time.monotonic()
        LeaderLease.objects.get_or_create(pk=1)
        now = database_now()
        free = Q(pk=1) & (Q(expires_at=None) | Q(expires_at__lte=now))
        if self._file is not None:
            free = Q(pk=1)  # the file lock proves that the former holder is gone
        moved = LeaderLease.objects.filter(free).update(
            holder=self.holder,
            address=self.address,
            term=F("term") + 1,
            expires_at=now + timedelta(seconds=self.ttl),
        )
        if not moved:
            return False
        self.term = LeaderLease.objects.values_list("term", flat=True).get(pk=1)
        self._renewed_at = before
        return True

    def renew(self) -> None:
        """Extend the lease, or raise LostLeadership."""
        before = time.monotonic()
        now = database_now()
        moved = LeaderLease.objects.filter(pk=1, holder=self.holder, term=self.term, expires_at__gt=now).update(
            expires_at=now + timedelta(seconds=self.ttl)
        )
        if not moved:
            self.term = 0
            raise LostLeadership("the lease is not ours any more")
        self._renewed_at = before

    def release(self) -> None:
        """Give the lease back, so that the next leader need not wait for its end."""
        LeaderLease.objects.filter(pk=1, holder=self.holder, term=self.term).update(
            holder=None, address="", expires_at=None
        )
        self.term = 0

    def heartbeat(self) -> None:
        """Say that this member lives; rows of the long dead are removed."""
        now = database_now()
        Member.objects.update_or_create(
            holder=self.holder, defaults={"address": self.address, "version": __version__, "heartbeat": now}
        )
        Member.objects.filter(heartbeat__lt=now - timedelta(hours=1)).delete()

    def leave(self) -> None:
        """Remove this member's row."""
        Member.objects.filter(holder=self.holder).delete()


def step_above(term: int, highest: int) -> bool:
    """Give up the lease that is held under `term`, so that the next leader's term is above `highest`; False, and
    nothing written, when that lease is over. The process that held it notices at its next renewal."""
    held = LeaderLease.objects.filter(pk=1, term=term, holder__isnull=False, expires_at__gt=database_now())
    return held.update(term=highest, holder=None, address="", expires_at=None) == 1
