"""Runs as the engine's tests ask for them, drive them, and look at what became of the hosts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections

from cluster.models import Cluster, Host
from sysmgr import env
from sysmgr.audit.services import SYSTEM
from upgrades.engine.run import Drive
from upgrades.intake import DEMO_KEY_FILE, import_file
from upgrades.models import UpgradeRun
from upgrades.package.build import build_package
from upgrades.package.sign import load_private_key
from upgrades.services import request_upgrade

IP = "10.30.12.55"


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def root(ip: str = IP) -> Path:
    return Path(Host.objects.get(host_ip=ip).root)


def ask(cluster: Cluster, *services: str, ip: str = IP, **options: Any) -> UpgradeRun:
    version = {"version": options.pop("version")} if "version" in options else {}
    items = [{"host_ip": ip, "service_type": service, **version} for service in services]
    return request_upgrade(cluster, items, options, SYSTEM)


def ask_all(cluster: Cluster, *places: tuple[str, str], version: str = "1.5", **options: Any) -> UpgradeRun:
    """Ask for services of several hosts, one after the other."""
    items = [{"host_ip": ip, "service_type": service, "version": version} for ip, service in places]
    return request_upgrade(cluster, items, {"max_parallel": 1, **options}, SYSTEM)


def states(run: UpgradeRun) -> list[str]:
    """Return the states of a run's items, in their order."""
    return list(run.items.order_by("ordinal").values_list("state", flat=True))


def go(run: UpgradeRun, term: int) -> None:
    """Drive the run; the engine's thread gives its database connection back."""

    async def driven() -> None:
        try:
            await Drive(run.pk, term).go()
        finally:
            await sync_to_async(connections.close_all)()

    asyncio.run(driven())


def drive(run: UpgradeRun, term: int) -> UpgradeRun:
    go(run, term)
    run.refresh_from_db()
    return run


def broken_package(cluster: Cluster, tmp_path: Path, version: str, toml: str) -> None:
    source = tmp_path / f"source-{version}"
    for service in ("compute", "storage"):
        (source / service).mkdir(parents=True)
        (source / service / "file").write_text(f"{service} {version}")
    (source / "package.toml").write_text(toml)
    out = tmp_path / f"out-{version}"
    out.mkdir()
    path = build_package(source, version, out, load_private_key(env.DATA_DIR / "keys" / DEMO_KEY_FILE))
    import_file(cluster, path, SYSTEM)
