"""Many hosts at once: each row as strict as host/create; all of them are stored or, unless asked otherwise, none."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import transaction

from sysmgr.api.fields import validated
from sysmgr.api.strict_json import check_text, loads, printable
from sysmgr.audit.services import Actor, record
from sysmgr.errors import InvalidInput, Problem, SysmgrError
from sysmgr.events.services import emit

from . import folders, hooks
from .errors import HostIsHeld, HostsRefused
from .host_services import IMPORTED, SSH_KEYS, assign, version_facts
from .models import SERVICE_ORDER, Cluster, Host, HostService
from .serializers import MOST_ROWS, HostRowInput
from .services import locked, one_at_a_time

CREATED, UPDATED, UNCHANGED, REFUSED = "created", "updated", "unchanged", "refused"
COLUMNS = ("host_ip", "transport", "root", "services", "labels", "ssh_port", "ssh_user", "ssh_sudo", "host_key")
_LISTS, _FLAGS = ("services", "labels"), {"true": True, "false": False}
_TOLD = 10  # refused rows that an error names
_TEXTS = {
    CREATED: ("The host is added.", "已添加主机。"),
    UPDATED: ("The host is changed.", "已修改主机。"),
    UNCHANGED: ("The host is like this already.", "主机已符合该行内容。"),
}


@dataclass
class Row:
    """What became of one row; `row` counts from 1, a header left out."""

    row: int
    host_ip: str = ""
    outcome: str = REFUSED
    message: str = ""
    message_cn: str = ""


@dataclass
class _Change:
    """What is to be written of one host."""

    row: Row
    host: Host
    before: dict[str, Any]
    after: dict[str, Any] = field(default_factory=dict)
    services: list[HostService] = field(default_factory=list)
    gone: list[HostService] = field(default_factory=list)


def rows_of_csv(lines: Iterable[str]) -> list[Any]:
    """Return the rows of a CSV file's lines as objects; raise InvalidInput for a header that is none of ours.

    Several services or labels of one host are separated by `;`; an empty cell is one that was not given.
    """
    table = csv.reader(lines, strict=True)
    try:
        header = [name.removeprefix("\ufeff").strip() for name in next(table, [])]  # spreadsheets begin a file with it
        unknown = [name for name in header if name not in COLUMNS]
        if unknown or len(set(header)) < len(header) or "host_ip" not in header:
            english = f"must be a header that names some of {', '.join(COLUMNS)}, each once, host_ip among them"
            raise InvalidInput(
                [Problem("csv[0]", english, f"表头只能包含 {', '.join(COLUMNS)}，不得重复，且须有 host_ip")]
            )
        return [_object(header, cells) for cells in table if cells]
    except csv.Error as error:
        text = f"line {table.line_num} is no CSV: {error}"
        raise InvalidInput([Problem("csv", text, f"第 {table.line_num} 行不是有效的 CSV")]) from None


def rows_of_text(text: str) -> list[Any]:
    """Return the rows of a file, which keeps the rules of the API's own bodies: a JSON list, a JSON object with `list`,
    or CSV; raise InvalidInput or MalformedBody."""
    start = text.lstrip()[:1]
    if start not in ("[", "{"):
        lines = text.splitlines()
        for place, line in enumerate(lines):
            check_text(line, f"csv[{place}]")
        return _bounded(rows_of_csv(lines))
    found = loads((text if start == "{" else f'{{"list": {text}}}').encode()).get("list")
    if not isinstance(found, list):
        raise InvalidInput([Problem("file", "holds no list of hosts", "不含主机列表")])
    return _bounded(found)


def _bounded(rows: list[Any]) -> list[Any]:
    if not 0 < len(rows) <= MOST_ROWS:
        text = f"has {len(rows)} hosts; 1 to {MOST_ROWS} can be imported at once"
        raise InvalidInput([Problem("file", text, f"含 {len(rows)} 台主机；一次可导入 1 至 {MOST_ROWS} 台")])
    return rows


def _object(header: Sequence[str], cells: Sequence[str]) -> Any:
    if len(cells) != len(header):
        return f"{len(cells)} cells"  # no object: refused as such
    return {name: _value(name, cell.strip()) for name, cell in zip(header, cells, strict=True) if cell.strip()}


def _value(name: str, cell: str) -> Any:
    if name in _LISTS:
        return [part.strip() for part in cell.split(";") if part.strip()]
    if name == "ssh_port":
        return int(cell) if cell.isascii() and cell.isdigit() and len(cell) < 7 else cell
    return _FLAGS.get(cell, cell) if name == "ssh_sudo" else cell


def exported(cluster: Cluster) -> list[dict[str, Any]]:
    """Return a cluster's hosts as rows that an import takes. Queries: hosts, services."""
    rows = []
    for host in Host.objects.filter(cluster=cluster).order_by("host_ip").prefetch_related("services"):
        local = host.transport == Host.Transport.LOCAL
        services = sorted((row.service_type for row in host.services.all()), key=lambda name: SERVICE_ORDER[name])
        facts = {"services": services, **{name: getattr(host, name) for name in COLUMNS if name != "services"}}
        rows.append({name: facts[name] for name in COLUMNS if not (local and name in SSH_KEYS)})
    return rows


def for_csv(row: Mapping[str, Any]) -> dict[str, str]:
    """Return a row as cells, which `rows_of_csv` reads."""

    def cell(value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        return ";".join(value) if isinstance(value, list) else str(value)

    return {name: cell(value) for name, value in row.items()}


@transaction.atomic
def import_hosts(
    wanted: Cluster, objects: Sequence[Any], actor: Actor, *, dry_run: bool = False, partial: bool = False
) -> dict[str, Any]:
    """Add or change hosts; what a row leaves out of a host that is there stays. Nothing is stored by a dry run, which
    refuses only single rows; else a bad row refuses everything (HostsRefused, 400) unless `partial`.

    Returns `{stored, created, updated, unchanged, refused, list[Row]}`. Queries: lock, cluster, hosts, services,
    holds, folders; then at most five writes for each 500 rows, an event and the audit's.
    """
    one_at_a_time()
    cluster = locked(wanted.pk)
    rows = [Row(place) for place in range(1, len(objects) + 1)]
    changes = _choose(cluster, objects, rows)
    refused = [row for row in rows if row.outcome == REFUSED]
    stored = not dry_run and any(change.row.outcome != UNCHANGED for change in changes)
    if refused and not (dry_run or partial):
        raise HostsRefused(
            "; ".join(f"list[{row.row - 1}]" for row in refused[:_TOLD]),
            count=len(refused),
            rows=len(rows),
            problems="; ".join(f"row {row.row} {row.message.rstrip('.')}" for row in refused[:_TOLD]),
            problems_cn="；".join(f"第 {row.row} 行 {row.message_cn.rstrip('。')}" for row in refused[:_TOLD]),
        )
    counts = {name: sum(row.outcome == name for row in rows) for name in (CREATED, UPDATED, UNCHANGED, REFUSED)}
    if stored:
        _store([change for change in changes if change.row.outcome != UNCHANGED])
    if not dry_run:
        _tell(cluster, changes, counts, actor)
    return {"stored": stored, **counts, "list": [asdict(row) for row in rows]}


def _choose(cluster: Cluster, objects: Sequence[Any], rows: Sequence[Row]) -> list[_Change]:
    """Say of each row what it does; return what is to be written. Locks the hosts that are there."""
    there = Host.objects.select_for_update(of=("self",), no_key=True).filter(cluster=cluster).order_by("pk")
    hosts = {host.host_ip: host for host in there.prefetch_related("services")}
    held = hooks.held_by([host.pk for host in hosts.values()])
    taken = folders.Taken()
    seen: set[str] = set()
    changes: list[_Change] = []
    for row, given in zip(rows, objects, strict=True):
        if isinstance(given, Mapping) and isinstance(given.get("host_ip"), str):
            row.host_ip = printable(given["host_ip"])
        try:
            changes.append(_change(cluster, given, row, hosts.get(row.host_ip), held, taken, seen))
        except SysmgrError as error:
            row.message, row.message_cn = _reason(error)
    return changes


def _reason(error: SysmgrError) -> tuple[str, str]:
    if isinstance(error, InvalidInput):
        return str(error.params["problems"]), str(error.params["problems_cn"])
    where = f"{error.field}: " if error.field else ""
    return where + error.text, where + error.text_cn


def _change(
    cluster: Cluster,
    given: Any,
    row: Row,
    host: Host | None,
    held: Mapping[int, str],
    taken: folders.Taken,
    seen: set[str],
) -> _Change:
    values = _checked(given, host)
    if row.host_ip in seen:
        raise InvalidInput([Problem("host_ip", "is there twice", "重复出现")])
    if host is None:
        host, before = Host(cluster=cluster, host_ip=values["host_ip"], transport=values["transport"]), {}
    else:
        host.cluster = cluster
        before = _facts(host, [service.service_type for service in host.services.all()])
    assign(host, values, taken)
    seen.add(row.host_ip)
    change = _Change(row, host, before)
    _set_services(change, values)
    change.after = _after(change)
    row.outcome = CREATED if not before else UPDATED if before != change.after else UNCHANGED
    if row.outcome == UPDATED and host.pk in held:
        row.outcome = REFUSED
        raise HostIsHeld("host_ip", host=host.host_ip, run=held[host.pk])
    row.message, row.message_cn = _TEXTS[row.outcome]
    return change


def _checked(given: Any, host: Host | None) -> dict[str, Any]:
    """Check a row as host/create does; what is known of a host that is there need not be given."""
    if host is None or not isinstance(given, Mapping):
        return validated(HostRowInput, given)
    services = [service.service_type for service in host.services.all()]
    known = {"transport": host.transport, "root": host.root, "services": services}
    values = validated(HostRowInput, {**{key: value for key, value in known.items() if value}, **given})
    if values["transport"] != host.transport:
        text = f"is {host.transport} and can't be changed: remove the host first"
        raise InvalidInput([Problem("transport", text, f"现为 {host.transport}，不可更改：请先移除该主机")])
    return values


def _set_services(change: _Change, values: Mapping[str, Any]) -> None:
    """Decide which services come and go; those that stay are as they were."""
    host = change.host
    there = {} if host.pk is None else {service.service_type: service for service in host.services.all()}
    moved = host.pk is not None and change.before["root"] != host.root
    for service in values["services"]:
        if service not in there or (moved and host.transport == Host.Transport.LOCAL):
            made = there.get(service) or HostService(host=host, service_type=service)
            made.version, made.unmanaged = version_facts(host, service)
            change.services.append(made)
    change.gone = [service for name, service in there.items() if name not in values["services"]]


def _facts(host: Host, services: Iterable[str]) -> dict[str, Any]:
    return {**{name: getattr(host, name) for name in IMPORTED}, "services": sorted(services)}


def _after(change: _Change) -> dict[str, Any]:
    gone = {service.service_type for service in change.gone}
    kept = [] if change.host.pk is None else [s.service_type for s in change.host.services.all()]
    names = {*kept, *(service.service_type for service in change.services)} - gone
    return _facts(change.host, names)


def _store(changes: Sequence[_Change]) -> None:
    Host.objects.bulk_create([change.host for change in changes if change.host.pk is None], batch_size=500)
    updated = [change for change in changes if change.row.outcome == UPDATED]
    columns = [name for name in IMPORTED if any(change.before[name] != change.after[name] for change in updated)]
    if columns:  # each of them costs as much as a row
        Host.objects.bulk_update([change.host for change in updated], columns, batch_size=500)
    HostService.objects.filter(pk__in=[row.pk for change in changes for row in change.gone]).delete()
    services = [row for change in changes for row in change.services]
    HostService.objects.bulk_create([row for row in services if row.pk is None], batch_size=500)
    HostService.objects.bulk_update([row for row in services if row.pk], ["version", "unmanaged"], batch_size=500)


def _tell(cluster: Cluster, changes: Sequence[_Change], counts: Mapping[str, int], actor: Actor) -> None:
    """Leave one event and one row of the audit for all: a thousand of each would say no more."""
    told: list[dict[str, Any]] = []
    for change in changes:
        after = change.after
        paths = [key for key in after if change.before.get(key) != after[key]]
        told += [
            {"path": f"{change.host.host_ip}.{key}", "from": change.before.get(key), "to": after[key]}
            for key in paths
            if change.row.outcome == UPDATED or after[key] not in ("", [], False)
        ]
    if counts[CREATED] or counts[UPDATED]:
        emit(
            "host.imported",
            cluster.pk,
            f"{actor.user_name} imported hosts into {cluster}: {counts[CREATED]} added, {counts[UPDATED]} changed",
            f"{actor.user_name} 向 {cluster} 导入主机：新增 {counts[CREATED]} 台，修改 {counts[UPDATED]} 台",
            cluster_uuid=cluster.pk,
            **counts,
        )
    record(actor, "host.import", f"cluster {cluster.pk}", changes=told)
