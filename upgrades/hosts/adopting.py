"""Taking in a service that somebody else installed: its folder is copied into the layout, and stays where it is."""

from __future__ import annotations

import asyncio
from typing import Any

from django.db import transaction
from django.utils import timezone

from cluster.errors import HostNotFound
from cluster.host_services import free
from cluster.models import Cluster, Host, HostService
from cluster.selectors import inspect_host
from sysmgr.audit.services import Actor, record
from sysmgr.errors import InvalidInput, Problem, SysmgrError
from sysmgr.events.services import emit
from upgrades.backup_hosts import current_term

from .asking import ask
from .errors import AdoptRefused

DRY_SECONDS, SECONDS = 60.0, 600.0


def adopt(cluster: Cluster, wanted: dict[str, Any], actor: Actor) -> dict[str, Any]:
    """Copy `source_path` of a host to `<root>/<service>/releases/<version>`, point `current` at it, and manage the
    service from then on. Returns the host, `dry_run`, `bytes`, `files`, `links` and `steps`: what the operator must
    change. Safe to repeat after a failure. Call it in no transaction: it takes as long as the copy, 10 min at most.

    Raises HostNotFound (404), InvalidInput (400: not run by the host), HostIsHeld, AdoptRefused or HostIsForeign (409),
    NoLeader (503), HostUnreachable or one of its kinds, StepFailed or HostTooSlow (502, 504).
    """
    service, version, dry = wanted["service_type"], wanted["version"], wanted["dry_run"]
    with transaction.atomic():
        host = free(cluster, wanted["host_ip"])
    row = _unmanaged(host, service)
    words = ("-", service, version, *(["dry"] if dry else []))
    told = f"{wanted['source_path']}\n.\n".encode()
    try:
        result = asyncio.run(
            ask(host, current_term(), "adopt", *words, stdin=told, seconds=DRY_SECONDS if dry else SECONDS)
        )
    except SysmgrError as error:
        if not dry:  # it may have come as far as a part of the copy
            changes = [_copied_from(wanted["source_path"])]
            record(actor, "host.adopt", _named(host, service), changes=changes, result=error.name()[:16])
        if isinstance(error, AdoptRefused):
            raise AdoptRefused("source_path", **{**error.params, "service": service}) from None
        raise
    said = result.values()
    facts = {"bytes": int(said["kb"]) * 1024, "files": int(said["files"]), "links": int(said["links"])}
    if dry:
        record(actor, "host.adopt", _named(host, service), result="dry run")
    else:
        _manage(cluster, host, row, version, wanted["source_path"], actor)
    return {
        **inspect_host(host.cluster_id, host.host_ip),
        "dry_run": dry,
        **facts,
        "steps": steps(host, service, wanted["source_path"], facts["links"]),
    }


def _unmanaged(host: Host, service: str) -> HostService:
    row = HostService.objects.filter(host=host, service_type=service).first()
    if row is None:
        raise InvalidInput([Problem("service_type", "is not run by the host", "主机未运行该服务")])
    if not row.unmanaged:
        raise AdoptRefused(
            "service_type", host=host.host_ip, service=service, reason=f"it is managed already, with {row.version}"
        )
    return row


@transaction.atomic
def _manage(cluster: Cluster, seen: Host, row: HostService, version: str, source: str, actor: Actor) -> None:
    host = free(cluster, seen.host_ip)
    if not HostService.objects.filter(pk=row.pk, unmanaged=True).update(version=version, unmanaged=False):
        raise HostNotFound("host_ip")  # it, or its service, was removed meanwhile
    Host.objects.filter(pk=host.pk).update(seen_time=timezone.now())
    emit(
        "host.adopted",
        host.cluster_id,
        f"{actor.user_name} adopted {row.service_type} {version} of {host}, copied from {source}",
        f"{actor.user_name} 接管了主机 {host} 的 {row.service_type} {version}（复制自 {source}）",
        cluster_uuid=host.cluster_id,
        host_ip=host.host_ip,
        service_type=row.service_type,
    )
    changes = [
        {"path": f"{row.service_type}.version", "from": "", "to": version},
        _copied_from(source),
    ]
    record(actor, "host.adopt", _named(host, row.service_type), changes=changes)


def _copied_from(source: str) -> dict[str, str]:
    return {"path": "source_path", "from": "", "to": source}


def _named(host: Host, service: str) -> str:
    return f"cluster {host.cluster_id} host {host} {service}"


def steps(host: Host, service: str, source: str, links: int) -> list[dict[str, str]]:
    """Return what the operator must change on the host, in both languages: sysmgr moves and edits nothing there."""
    current = f"{host.root}/{service}/current"
    told = [
        (
            f"Let what starts {service} (unit file, scripts, cron) use {current} in place of {source}; restart it.",
            f"请将启动 {service} 的单元文件、脚本和定时任务中的 {source} 改为 {current}，然后重启服务。",
        ),
        (
            f"Move what {service} writes (data, logs, sockets) out of the release: an upgrade brings a new folder.",
            f"请将 {service} 写入的内容（数据、日志、套接字）移出版本目录：升级会使用新的目录。",
        ),
        (
            f"Remove {source} once {service} runs from {current}; until then {source} is what is used.",
            f"确认 {service} 从 {current} 运行后再删除 {source}；在此之前两者并存，实际使用的是 {source}。",
        ),
    ]
    if links:
        told.append(
            (
                f"Look at its {links} symbolic links: they were copied as links and lead where they led before.",
                f"请检查其中的 {links} 个符号链接：它们按原样复制，仍指向原来的目标。",
            )
        )
    return [{"message": english, "message_cn": chinese} for english, chinese in told]
