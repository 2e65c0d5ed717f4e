"""Asking a host about one backup, outside of runs: fenced with the leader's term, and bounded in time."""

from __future__ import annotations

import asyncio
import time

from cluster.clock import database_now
from cluster.models import Host, LeaderLease
from sysmgr.errors import NoLeader

from .backup_errors import HostTooSlow
from .errors import StepFailed
from .ssh_errors import unreachable
from .transports import transport_of
from .transports.base import Result, Unreachable

SECONDS = 20.0
_RETRY_SECONDS = 5


def current_term() -> int:
    """Return the term of whoever leads, or raise NoLeader. One query (and one for the time on PostgreSQL)."""
    term = LeaderLease.objects.filter(pk=1, expires_at__gt=database_now()).values_list("term", flat=True).first()
    if term is None:
        raise NoLeader(retry_after=_RETRY_SECONDS)
    return term


def ask(host: Host, step: str, name: str, seconds: float = SECONDS) -> Result:
    """Run one step for the backup `name`; raise NoLeader, HostUnreachable, HostTooSlow or StepFailed. Call it in no
    transaction: it may take `seconds`."""
    words = (step, str(host.cluster_id), str(current_term()), "-", "-", name)
    begun = time.monotonic()

    async def asked() -> Result:
        transport = transport_of(host)
        try:
            async with asyncio.timeout(seconds - 1):
                await transport.install()
            return await transport.run(*words, seconds=max(1.0, begun + seconds - 1 - time.monotonic()))
        except TimeoutError:
            raise Unreachable("no script was put there in time") from None
        finally:
            await transport.close()

    try:
        result = asyncio.run(asked())
    except Unreachable as error:
        if time.monotonic() - begun >= seconds - 1:
            raise HostTooSlow(host=host.host_ip, seconds=round(seconds)) from None
        raise unreachable(host.host_ip, error) from None
    if result.code:
        reason = result.error or f"exit {result.code}"
        raise StepFailed(step=step, host=host.host_ip, reason=reason, code=result.code)
    return result
