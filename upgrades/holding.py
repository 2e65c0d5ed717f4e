"""Holding hosts for a run: each host by one run at most."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import IntegrityError

from cluster.models import Host

from .models import HostHold, UpgradeRun


def hold(run: UpgradeRun, hosts: Iterable[Host]) -> None:
    """Hold hosts, locked to the commit; raise IntegrityError for one that another run holds or that was removed.

    Without the lock the database would look whether a host is still there at the commit only, and wait there for
    whoever removes it while that one waits for the audit's lock, which we hold then.
    """
    wanted = sorted({host.pk for host in hosts})
    rows = Host.objects.select_for_update(no_key=True).order_by("pk").filter(pk__in=wanted)
    if len(rows.values_list("pk", flat=True)) != len(wanted):
        raise IntegrityError("a host was removed meanwhile")
    HostHold.objects.bulk_create(HostHold(host_id=pk, run=run) for pk in wanted)
