"""The one writer of clusters: made, renamed, made the default, removed."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import connection, transaction

from sysmgr.audit.services import Actor, record
from sysmgr.events.alerts import clear_alert
from sysmgr.events.models import Alert
from sysmgr.events.services import emit

from . import hooks
from .errors import ClusterHasHosts, ClusterIsDefault, ClusterNameTaken, ClusterNotFound
from .models import Cluster, Host

_LOCK = 0x434C5553  # "CLUS": the advisory lock under which clusters, and the folders of hosts, are handed out
_NAMED = 5


def one_at_a_time() -> None:
    """Let one transaction at a time look at all clusters or hosts and then change one; SQLite has one writer anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def locked(cluster_uuid: uuid.UUID) -> Cluster:
    """Return the cluster, locked to the end of the transaction, or raise ClusterNotFound when it is gone.

    The lock leaves its key alone: at their commit others may find that the cluster is there, which they could not
    wait for while they hold the audit's lock.
    """
    found = Cluster.objects.select_for_update(no_key=True).filter(pk=cluster_uuid).first()
    if found is None:
        raise ClusterNotFound("cluster_uuid")
    return found


def lock_all() -> None:
    """Lock every cluster to the end of the transaction, in the one order in which others lock them too."""
    list(Cluster.objects.select_for_update(no_key=True).order_by("pk"))


@transaction.atomic
def create_cluster(name: str, actor: Actor, *, confirm_lockout: bool = False) -> Cluster:
    """Make a cluster with the safer settings; the first one that is not the demo becomes the default."""
    one_at_a_time()
    _refuse_name(name)
    first = not Cluster.objects.filter(demo=False).exists()
    if first:
        lock_all()  # before the audit's lock, which the new cluster's first revision takes
    cluster = Cluster.objects.create(name=name)
    for created in hooks.cluster_created:
        created(cluster, actor)
    if first:
        _make_default(cluster, actor, confirm_lockout)
    emit(
        "cluster.created",
        cluster.pk,
        f"{actor.user_name} made the cluster {name}",
        f"{actor.user_name} 创建了集群 {name}",
        cluster_uuid=cluster.pk,
    )
    record(actor, "cluster.create", f"cluster {cluster.pk}", changes=_changes({"name": (None, name)}, first))
    return cluster


@transaction.atomic
def update_cluster(
    wanted: Cluster,
    actor: Actor,
    *,
    name: str | None = None,
    default: bool = False,
    gate: dict[str, Any] | None = None,
    probes: dict[str, Any] | None = None,
    confirm_lockout: bool = False,
) -> Cluster:
    """Rename a cluster, make it the default one, or change how it is asked whether it is well (`{}`: not at all; None
    keeps what there is); what is so already leaves no trace. A run asks the new gate before its next host."""
    one_at_a_time()
    if default:
        lock_all()
    cluster = locked(wanted.pk)
    before = cluster.name
    renames, moves = name is not None and name != before, default and not cluster.default
    asked = {key: value for key, value in (("gate", gate), ("probes", probes)) if value is not None}
    asked = {key: value for key, value in asked.items() if value != getattr(cluster, key)}
    if not (renames or moves or asked):
        return cluster
    if name is not None and renames:
        _refuse_name(name)
        cluster.name = name
        cluster.save(update_fields=["name"])
    if moves:
        _make_default(cluster, actor, confirm_lockout)
    if renames:
        emit(
            "cluster.renamed",
            cluster.pk,
            f"{actor.user_name} renamed the cluster {before} to {name}",
            f"{actor.user_name} 将集群 {before} 重命名为 {name}",
            cluster_uuid=cluster.pk,
        )
    changes: dict[str, tuple[Any, Any]] = {"name": (before, name)} if renames else {}
    if asked:
        changes |= _ask_otherwise(cluster, asked, actor)
    record(actor, "cluster.update", f"cluster {cluster.pk}", changes=_changes(changes, moves))
    return cluster


@transaction.atomic
def remove_cluster(wanted: Cluster, actor: Actor) -> None:
    """Remove a cluster without hosts, with its packages, settings and ended runs; events and audit stay.

    Raises ClusterIsDefault while there are others, ClusterHasHosts, or what a hook refuses.
    """
    one_at_a_time()
    cluster = locked(wanted.pk)
    if cluster.default and Cluster.objects.exclude(pk=cluster.pk).exists():
        raise ClusterIsDefault("cluster_uuid")
    hosts = list(Host.objects.filter(cluster=cluster).order_by("host_ip").values_list("host_ip", flat=True))
    if hosts:
        named = ", ".join(hosts[:_NAMED]) + (", …" if len(hosts) > _NAMED else "")
        raise ClusterHasHosts("cluster_uuid", count=len(hosts), hosts=named)
    for removing in hooks.cluster_removing:
        removing(cluster)
    cluster_uuid, name = cluster.pk, cluster.name
    cluster.delete()
    for key in Alert.objects.filter(cluster_uuid=cluster_uuid, close_time=None).values_list("key", flat=True):
        clear_alert(key)  # nothing is left that it could be about
    emit(
        "cluster.removed",
        cluster_uuid,
        f"{actor.user_name} removed the cluster {name}",
        f"{actor.user_name} 移除了集群 {name}",
        cluster_uuid=cluster_uuid,
        severity="warning",
    )
    record(actor, "cluster.remove", f"cluster {cluster_uuid}", changes=_changes({"name": (name, None)}, False))


def _refuse_name(name: str) -> None:
    if Cluster.objects.filter(name=name).exists():
        raise ClusterNameTaken("name")


def _make_default(cluster: Cluster, actor: Actor, confirm_lockout: bool) -> None:
    """Let the doors obey this cluster's settings from the next request on: nothing keeps the old ones, the gate
    reads cluster and revision anew each time and revisions of two clusters never share a key."""
    for changing in hooks.default_changing:
        changing(cluster, actor, confirm_lockout)
    Cluster.objects.filter(default=True).update(default=False)  # first: the database allows one
    Cluster.objects.filter(pk=cluster.pk).update(default=True)
    cluster.default = True
    emit(
        "cluster.default_changed",
        cluster.pk,
        f"{actor.user_name} made {cluster} the default cluster: log-in and access obey its settings now",
        f"{actor.user_name} 将 {cluster} 设为默认集群：登录与访问现在遵循其设置",
        cluster_uuid=cluster.pk,
        severity="warning",
    )


def _ask_otherwise(cluster: Cluster, asked: dict[str, Any], actor: Actor) -> dict[str, tuple[Any, Any]]:
    """Store another gate or other probes; return what changed."""
    changes = {key: (getattr(cluster, key), value) for key, value in asked.items()}
    for key, value in asked.items():
        setattr(cluster, key, value)
    cluster.save(update_fields=list(asked))
    what = " and ".join(asked)
    emit(
        "cluster.probes_changed",
        cluster.pk,
        f"{actor.user_name} changed the {what} of {cluster}",
        f"{actor.user_name} 更改了 {cluster} 的 {what}",
        cluster_uuid=cluster.pk,
    )
    return changes


def _changes(values: dict[str, tuple[Any, Any]], becomes_default: bool) -> list[dict[str, Any]]:
    moved = {**values, "default": (False, True)} if becomes_default else values
    return [{"path": path, "from": old, "to": new} for path, (old, new) in moved.items()]
