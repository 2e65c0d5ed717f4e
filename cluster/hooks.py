"""What other apps do when clusters and hosts come and go: they add it in `AppConfig.ready`, services call it.

Every callback runs inside the transaction of the change, before its audit row, and refuses by raising a SysmgrError.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from sysmgr.audit.services import Actor

from .models import Cluster, Host

cluster_created: list[Callable[[Cluster, Actor], object]] = []
"""Give a new cluster what it needs."""

cluster_removing: list[Callable[[Cluster], None]] = []
"""Refuse, or remove what belongs to the cluster; its files only after the commit."""

default_changing: list[Callable[[Cluster, Actor, bool], None]] = []
"""Refuse that the doors obey this cluster's settings: a policy that locks its author out, unless the flag confirms."""

host_holders: list[Callable[[Collection[int]], Mapping[int, str]]] = []
"""Tell of hosts (by their keys) which run holds them; the free ones are left out."""

host_removing: list[Callable[[Host], Mapping[str, int]]] = []
"""Refuse, or tell what goes with the host's row: a key of the answer, and how many."""

ssh_public_key: list[Callable[[], str]] = []
"""Tell the line that hosts over SSH must have in their authorized_keys; "" where there is none."""


def held_by(hosts: Collection[int]) -> dict[int, str]:
    """Return which of these hosts are held, each with its run. One query, none for no hosts."""
    found: dict[int, str] = {}
    for holders in host_holders if hosts else ():
        found |= holders(hosts)
    return found
