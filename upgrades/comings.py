"""What happens to packages, runs and backups when clusters and hosts come and go; see `cluster.hooks`."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from functools import partial

from django.db import transaction

from cluster import hooks
from cluster.errors import ClusterHasRuns
from cluster.models import Cluster, Host, ServiceType
from sysmgr.events.alerts import clear_alert
from sysmgr.events.models import Alert

from .alerts import drained
from .intake import store
from .models import Backup, HostHold, UpgradePackage, UpgradeRun
from .transports.base import SshKeyUnusable
from .transports.ssh_key import public_line


def connect() -> None:
    """Have the services of clusters and hosts call what is here."""
    hooks.host_holders.append(held)
    hooks.host_removing.append(host_removing)
    hooks.cluster_removing.append(cluster_removing)
    hooks.ssh_public_key.append(public_key)


def held(hosts: Collection[int]) -> dict[int, str]:
    """Return which of these hosts runs hold. One query."""
    return {host: str(run) for host, run in HostHold.objects.filter(host__in=hosts).values_list("host", "run")}


def public_key() -> str:
    """Return the line for authorized_keys, "" while the key can't be used: probing a host says why."""
    try:
        return public_line()
    except SshKeyUnusable:
        return ""


def host_removing(host: Host) -> dict[str, int]:
    """Lock and count the backups whose rows go with the host; their files are the host's and stay. Nobody can give a
    service its work back any more: such an alert ends with the host."""
    keys = [drained(host.cluster_id, host.host_ip, service) for service in ServiceType.values]
    for key in Alert.objects.filter(key__in=keys, close_time=None).values_list("key", flat=True):
        clear_alert(key)
    return {"forgotten_backups": len(Backup.objects.select_for_update().filter(host=host).order_by("pk"))}


def cluster_removing(cluster: Cluster) -> None:
    """Raise ClusterHasRuns while a run is not over; else remove runs and packages, and the files after the commit.

    A crash in between leaves files without a row, which the sweep at the next start removes.
    """
    runs = UpgradeRun.objects.filter(cluster=cluster)
    live = [str(pk) for pk in runs.exclude(state__in=UpgradeRun.ENDED).order_by("pk").values_list("pk", flat=True)]
    if live:
        raise ClusterHasRuns("cluster_uuid", runs=", ".join(live[:5]))
    runs.delete()
    UpgradePackage.objects.filter(cluster=cluster).delete()
    transaction.on_commit(partial(shutil.rmtree, store(cluster), ignore_errors=True))
