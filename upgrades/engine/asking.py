"""Asking a host something outside its items: the fence, and what it is like."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Iterable
from typing import Any

from asgiref.sync import sync_to_async
from django.utils import timezone

from cluster.leader import LostLeadership
from cluster.models import Host
from upgrades.errors import HostUnreachable, PrecheckFailed
from upgrades.ssh_errors import unreachable
from upgrades.transports.base import Result, Unreachable

from .fence import FENCED, outdone
from .stepping import LOCK_BUSY
from .task import Task

type_tasks = dict[Host, list[Task]]


async def ask(task: Task, step: str) -> Result:
    """Run a step that belongs to no item; raise HostUnreachable, PrecheckFailed or LostLeadership. The fence comes
    first, and with it the script."""
    host, cluster, term = task.item.host_ip, task.item.run.cluster_id, task.journal.term
    try:
        if step == "fence":
            await task.transport.install()
        result = await task.transport.run(step, str(cluster), str(term), "-", "-", seconds=120)
    except Unreachable as error:
        raise unreachable(host, error) from None
    if result.code == FENCED:
        await sync_to_async(outdone)(term, cluster, host, result.error)
    if result.code == LOCK_BUSY:  # it passes (a copy of host/adopt, say): no reason to end a run for it
        raise HostUnreachable(host=host, reason=result.error, key="lock_busy")
    if result.code:
        raise PrecheckFailed(check=step, host=host, reason=result.error or f"exit {result.code}")
    return result


async def take_hosts(tasks: type_tasks, most: int) -> None:
    """Fence each host of a live run before anything else is asked of it, `most` at once; one that can't be reached
    or refuses says so again at its next step, which then decides about its items."""
    hosts = asyncio.Semaphore(most)
    heard: list[int] = []

    async def fence(task: Task) -> None:
        async with hosts:
            try:
                await ask(task, "fence")
            except (HostUnreachable, PrecheckFailed):
                return
        heard.append(task.item.host_id or 0)

    await at_once(fence(mine[0]) for mine in tasks.values())
    await sync_to_async(note_heard)(heard)


def note_heard(hosts: Collection[int]) -> None:
    """Note that these hosts answered just now. One query."""
    Host.objects.filter(pk__in=hosts).update(seen_time=timezone.now())


async def at_once(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all of it side by side; the first exception ends the rest, so that nothing of a run is driven twice."""
    try:
        async with asyncio.TaskGroup() as group:
            for coroutine in work:
                group.create_task(coroutine)
    except BaseExceptionGroup as several:
        lost = several.subgroup(LostLeadership)
        raise (lost or several).exceptions[0] from None
