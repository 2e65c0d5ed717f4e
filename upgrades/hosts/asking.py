"""Asking one host a step outside of runs: bounded in time, fenced with the leader's term, failures named."""

from __future__ import annotations

import asyncio
import time

from cluster.models import Host
from sysmgr.errors import SysmgrError
from upgrades.backup_errors import HostTooSlow
from upgrades.errors import StepFailed
from upgrades.ssh_errors import unreachable
from upgrades.transports import transport_of
from upgrades.transports.base import HostKeyChanged, Result, Unreachable

from .errors import AdoptRefused, HostIsForeign, HostKeyDiffers

SECONDS = 25.0
_FOREIGN, _REFUSED = 12, 25


async def ask(host: Host, term: int, step: str, *words: str, stdin: bytes = b"", seconds: float = SECONDS) -> Result:
    """Put the script in place, run one step and hang up; raise HostUnreachable (or one of its kinds, ssh_errors),
    HostTooSlow, HostKeyDiffers, HostIsForeign, AdoptRefused or StepFailed. `words` follow the fence."""
    transport = transport_of(host)
    begun = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            await transport.install()
            left = max(1.0, seconds - 1 - (time.monotonic() - begun))
            result = await transport.run(
                step, str(host.cluster_id), str(term), *(words or ("-", "-")), stdin=stdin, seconds=left
            )
    except TimeoutError:
        raise HostTooSlow(host=host.host_ip, seconds=round(seconds)) from None
    except Unreachable as error:
        raise _named(host, error) from None
    finally:
        await transport.close()
    if result.code:
        raise refusal(host, step, result)
    return result


def _named(host: Host, error: Unreachable) -> SysmgrError:
    if isinstance(error, HostKeyChanged):
        return HostKeyDiffers(host=host.host_ip, reason=str(error))
    return unreachable(host.host_ip, error)


def refusal(host: Host, step: str, result: Result) -> SysmgrError:
    """Return the error that a step's exit code means."""
    reason = result.error or f"exit {result.code}"
    if result.code == _FOREIGN:
        return HostIsForeign(host=host.host_ip, owner=reason.partition(" ")[2] or "-")
    if result.code == _REFUSED:
        return AdoptRefused("source_path", host=host.host_ip, service="", reason=reason.partition(" ")[2])
    return StepFailed(step=step, host=host.host_ip, reason=reason, code=result.code)
