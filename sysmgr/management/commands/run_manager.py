"""`manage.py run_manager`: one manager member: heartbeat, lease, and the leader's work."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, close_old_connections

from cluster.leader import Lease, LostLeadership, ManagerRunning
from sysmgr import env
from sysmgr.management import housekeeping
from sysmgr.management.supervisor import exit_when_orphaned
from upgrades.engine.worker import Engine

log = logging.getLogger("sysmgr.manager")
EXIT_LOST = 3


def work(term: int) -> None:
    """Drive upgrades under `term`; whatever ends this ends the process, and the supervisor starts it anew."""

    async def serve() -> None:
        await Engine(term).serve(asyncio.Event())

    try:
        asyncio.run(serve())
    except LostLeadership:
        log.warning("another leader took over; starting anew")
    except Exception:
        log.exception("the engine ended unexpectedly; starting anew")
    os._exit(EXIT_LOST)


class Command(BaseCommand):
    """See `help`."""

    help = (
        "Run one manager: it says that it lives, and leads when nobody else does. `serve` runs one too.\n"
        "Example: manage.py run_manager"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Only the supervisor passes its own process id."""
        parser.add_argument("--supervised", type=int, default=0, help="end when this process is no longer the parent")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT."""
        stop = threading.Event()

        def on_signal(number: int, frame: FrameType | None) -> None:
            stop.set()

        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)
        lease = Lease(env.ADDRESS)
        try:
            lease.lock_sqlite()
        except ManagerRunning as error:
            raise CommandError(f"{error}; stop it first") from None
        try:
            self._lead(lease, stop, options["supervised"])
        finally:
            self._leave(lease)
            # Steps under way on hosts end by themselves and are picked up from their markers.
            os._exit(0)

    def _lead(self, lease: Lease, stop: threading.Event, parent: int) -> None:
        while not stop.is_set():
            if parent:
                exit_when_orphaned(parent)
            close_old_connections()
            try:
                lease.heartbeat()
                if lease.term:
                    lease.renew()
                elif lease.acquire():
                    log.info("leading with term %d", lease.term)
                    threading.Thread(target=work, args=(lease.term,), daemon=True).start()
                    housekeeping.start(lambda: lease.acting)
            except LostLeadership:
                log.warning("lost the lead; starting anew")
                os._exit(EXIT_LOST)
            except DatabaseError as error:
                log.warning("the database does not answer: %s", str(error).strip().splitlines()[0])
            if lease.term and not lease.acting:
                log.warning("could not renew the lease in time; starting anew")
                os._exit(EXIT_LOST)
            stop.wait(lease.renew_seconds if lease.term else 1.0)

    def _leave(self, lease: Lease) -> None:
        try:
            lease.release()
            lease.leave()
        except DatabaseError:
            log.warning("could not give the lease back; it ends by itself")
