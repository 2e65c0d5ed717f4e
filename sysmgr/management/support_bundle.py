"""The support bundle: what somebody who helps from afar needs to see, without a secret in it, bounded in size."""

from __future__ import annotations

import io
import json
import platform
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import IO, Any
from uuid import UUID

import django
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Case, Model, QuerySet, Value, When
from django.utils import timezone

from cluster import selectors as cluster_selectors
from cluster.hooks import held_by
from cluster.members import member_list
from cluster.models import Cluster, Host, LeaderLease, Member
from settings_app.models import SettingRevision
from settings_app.selectors import render_settings
from sysmgr.accounts.models import User
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import Actor, record
from sysmgr.build import version_line
from sysmgr.events.models import Alert, Event
from upgrades.models import UpgradeItem, UpgradeRun

from .health import examine
from .hushing import environment, hush

RUNS = 20
# How many rows of each kind there are at most; a list that was cut says so.
CLUSTERS, HOSTS, ITEMS, EVENTS, AUDIT = 50, 2000, 500, 500, 1000
_IN_MEMORY = 4 * 1024 * 1024
_UNKNOWN = "(no such user)"


def create(actor: Actor, cluster_uuid: UUID | None = None) -> tuple[str, IO[bytes]]:
    """Return the bundle's name and its open file, of one cluster or of all; who took it is in the audit."""
    name = f"sysmgr-support-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    hushed = hush()
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - whoever sends it closes it
    try:
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            for part, content in _parts(cluster_uuid):
                _add(archive, f"{name}/{part}.json", hushed(content))
        with transaction.atomic():
            record(actor, "support_bundle.create", f"support bundle {name}")
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return f"{name}.tar.gz", file


def _add(archive: tarfile.TarFile, name: str, content: Any) -> None:
    data = json.dumps(content, ensure_ascii=False, indent=1, default=_plain).encode("utf-8", "backslashreplace")
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = len(data), int(time.time()), 0o600
    archive.addfile(member, io.BytesIO(data))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _parts(cluster_uuid: UUID | None) -> Iterator[tuple[str, Any]]:
    """Return the files of the bundle, one after the other: only one of them is in memory."""
    clusters = Cluster.objects.order_by("name")
    runs = UpgradeRun.objects.order_by("-create_time", "pk")
    if cluster_uuid is not None:
        clusters, runs = clusters.filter(pk=cluster_uuid), runs.filter(cluster=cluster_uuid)
    yield "version", _version()
    yield "doctor", [asdict(finding) for finding in examine()]
    yield "environment", environment()
    yield "migrations", _migrations()
    yield "members", _members()
    yield "alerts", _cut(Alert.objects.filter(close_time=None).order_by("-open_time"), EVENTS)
    shown = list(clusters[:CLUSTERS])
    yield "clusters", [cluster_selectors.cluster_facts(cluster) for cluster in shown]
    for cluster in shown:
        newest = SettingRevision.objects.filter(cluster=cluster).order_by("-number").first()
        number = newest.number if newest else None
        yield f"settings/{cluster.pk}", {"revision": number, "settings": render_settings(cluster.pk)}
        yield f"hosts/{cluster.pk}", _hosts(cluster)
    for run in runs[:RUNS]:
        yield f"runs/{run.pk}", _run(run)
    yield "audit", _audit()


def _version() -> dict[str, Any]:
    facts = connection.settings_dict
    return {
        "version": version_line(),
        "time": timezone.now(),
        "python": platform.python_version(),
        "django": django.get_version(),
        "platform": platform.platform(),
        "database": {key.lower(): str(facts.get(key, "")) for key in ("ENGINE", "HOST", "PORT", "NAME", "USER")},
    }


def _migrations() -> dict[str, list[str]]:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return {
        "applied": sorted(f"{app} {name}" for app, name in executor.loader.applied_migrations),
        "missing": [f"{migration.app_label} {migration.name}" for migration, _ in missing],
    }


def _members() -> dict[str, Any]:
    return {**member_list(), "members": _cut(Member.objects.all(), 100), "lease": _cut(LeaderLease.objects.all(), 1)}


def _cut(rows: QuerySet[Any], most: int) -> dict[str, Any]:
    found = list(rows[: most + 1])
    return {"cut": len(found) > most, "rows": [_columns(row) for row in found[:most]]}


def _columns(row: Model) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def _hosts(cluster: Cluster) -> dict[str, Any]:
    hosts = list(Host.objects.filter(cluster=cluster).order_by("host_ip").prefetch_related("services")[: HOSTS + 1])
    held = held_by([host.pk for host in hosts])
    rows = [cluster_selectors.host_facts(host, held) for host in hosts[:HOSTS]]
    return {"cut": len(hosts) > HOSTS, "rows": rows}


def _run(run: UpgradeRun) -> dict[str, Any]:
    """Return a run with its items, those that went wrong first, and its newest events."""
    well = UpgradeItem.objects.filter(run=run).annotate(well=Case(When(scode=0, then=Value(1)), default=Value(0)))
    return {
        "run": _columns(run),
        "items": _cut(well.order_by("well", "ordinal"), ITEMS),
        "events": _cut(Event.objects.filter(subject=run.pk).order_by("-id"), EVENTS),
    }


def _audit() -> dict[str, Any]:
    """Return the newest audit rows. A failed log-in may hold a password that was typed as the name: names that
    nobody has are left out."""
    found = _cut(AuditRow.objects.order_by("-seq"), AUDIT)
    names = set(User.objects.values_list("user_name", flat=True)) | {"system"}
    for row in found["rows"]:
        if row["result"] != "success" and row["door"] != "command" and row["user_name"] not in names:
            row["user_name"] = row["object"] = _UNKNOWN
    return found
