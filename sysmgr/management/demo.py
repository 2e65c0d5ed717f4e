"""The demo: a cluster whose three hosts are directories, and two signed packages for them."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from django.db import transaction

from cluster.models import Cluster, Host, HostService
from settings_app.services import create_defaults
from sysmgr import env
from sysmgr.audit.services import Actor
from upgrades.intake import DEMO_KEY_FILE, import_file
from upgrades.models import TrustedKey, UpgradePackage
from upgrades.package.build import build_package, package_name
from upgrades.package.sign import create_key, fingerprint, load_private_key, public_key_text

HOSTS = {
    "10.30.12.161": {"cloud": "1.4"},
    "10.30.12.165": {"compute": "1.4.rc2", "storage": "1.4.rc2"},
    "10.30.12.55": {"compute": "1.4.rc2", "storage": "1.3"},
}
PACKAGES = ("1.4.1", "1.5")
SERVICES = ("cloud", "compute", "storage")


def set_up(actor: Actor) -> None:
    """Make what is missing of the demo; safe to repeat after a crash at any point."""
    for left in (env.DATA_DIR / "work").glob("demo-*"):  # of a set-up that was killed; the set-up lock is ours
        shutil.rmtree(left, ignore_errors=True)
    cluster = Cluster.objects.filter(demo=True).first()
    if cluster is None:
        if Cluster.objects.exists():
            return
        cluster = _cluster(actor)
    have = set(UpgradePackage.objects.filter(cluster=cluster).values_list("version", flat=True))
    for version in PACKAGES:
        if version not in have:
            _package(cluster, version, actor)


@transaction.atomic
def _cluster(actor: Actor) -> Cluster:
    key_file = env.DATA_DIR / "keys" / DEMO_KEY_FILE
    if not key_file.exists():
        create_key(key_file)
    public = load_private_key(key_file).public_key()
    cluster = Cluster.objects.create(name="demo", default=True, demo=True)
    create_defaults(cluster, actor, demo=True)
    TrustedKey.objects.create(
        name="demo", public_key=public_key_text(public), fingerprint=fingerprint(public), cluster=cluster
    )
    for host_ip, services in HOSTS.items():
        root = env.DATA_DIR / "demo-hosts" / host_ip
        host = Host.objects.create(cluster=cluster, host_ip=host_ip, transport="local", root=str(root))
        for service, version in services.items():
            _install(root / service, service, version)
            HostService.objects.create(host=host, service_type=service, version=version)
    return cluster


def _install(folder: Path, service: str, version: str) -> None:
    """Lay one release and its `current` in the host layout of a managed service."""
    release = folder / "releases" / version
    if not release.exists():
        draft = folder / "releases" / f".{version}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        _release(draft, service, version)
        draft.rename(release)
    if not (folder / "current").is_symlink():
        (folder / "current").symlink_to(Path("releases") / version)


def _release(folder: Path, service: str, version: str) -> None:
    """Write a small release: a program, its configuration, and data that differs in each version."""
    (folder / "bin").mkdir(parents=True)
    (folder / "etc").mkdir()
    program = folder / "bin" / f"{service}d"
    program.write_text(f'#!/bin/sh\necho "{service} {version}"\n')
    program.chmod(0o755)
    (folder / "etc" / f"{service}.conf").write_text(f"service={service}\nversion={version}\n")
    seed = hashlib.sha256(f"{service} {version}".encode()).digest()
    (folder / "etc" / "data.bin").write_bytes(seed * 2048)


def _package(cluster: Cluster, version: str, actor: Actor) -> None:
    """Build a package with the real builder and take it in through the real intake."""
    work = env.DATA_DIR / "work" / f"demo-{version}-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    try:
        for service in SERVICES:
            _release(work / "source" / service, service, version)
        (work / "out").mkdir()
        key = load_private_key(env.DATA_DIR / "keys" / DEMO_KEY_FILE)
        build_package(work / "source", version, work / "out", key, notes=f"Demo release {version}.")
        import_file(cluster, work / "out" / package_name(version), actor)
    finally:
        shutil.rmtree(work, ignore_errors=True)
