"""Taking a package in: streamed to quarantine while hashing, checked, then row and file appear together."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import uuid
from pathlib import Path
from typing import BinaryIO

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from cluster.models import Cluster
from sysmgr import env
from sysmgr.audit.services import Actor, record
from sysmgr.events.services import emit

from .errors import NoSpaceForPackage, PackageExists, PackageNameWrong
from .models import PackagePayload, TrustedKey, UpgradePackage
from .package.build import package_name
from .package.inspect import Inspection, inspect_package
from .package.sign import load_public_key

BLOCK = 1024 * 1024
DEMO_KEY_FILE = "demo-signing.pem"  # below <data dir>/keys; made per installation
_SWEEP_SECONDS = 24 * 3600
_RESERVE = 64 * BLOCK  # what an intake leaves free for the database and logs


def store(cluster: Cluster) -> Path:
    """Return the folder in which a cluster's accepted packages lie unchanged (contract §6)."""
    return env.DATA_DIR / "packages" / str(cluster.pk)


class Intake:
    """One package on its way in. Use `write` for each block, then `finish`; `abort` leaves nothing behind."""

    def __init__(self, cluster: Cluster, name: str, *, expected_size: int = 0) -> None:
        self.cluster, self.name = cluster, name
        folder = env.DATA_DIR / "quarantine"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if shutil.disk_usage(folder).free < expected_size + _RESERVE:
            raise NoSpaceForPackage("file")
        self.path = folder / str(uuid.uuid4())
        self._file: BinaryIO = self.path.open("xb")
        self._sha256, self._md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        self.size = 0

    def write(self, block: bytes) -> None:
        """Take one block; raise NoSpaceForPackage when the disk is full."""
        try:
            self._file.write(block)
        except OSError:
            self.abort()
            raise NoSpaceForPackage("file") from None
        self._sha256.update(block)
        self._md5.update(block)
        self.size += len(block)

    def abort(self) -> None:
        """Remove what was taken so far."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def finish(self, actor: Actor) -> UpgradePackage:
        """Check the package and accept it, or raise why not; either way quarantine is empty afterwards."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            keys = trusted_keys(self.cluster)
            inspection = inspect_package(self.path, {k.fingerprint: load_public_key(k.public_key) for k in keys})
            name = package_name(inspection.manifest.version)
            if self.name != name:
                raise PackageNameWrong("file", name=self.name[:64], expected=name)
            signer = next(key for key in keys if key.fingerprint == inspection.signed_by)
            return self._accept(name, inspection, signer, actor)
        finally:
            self.abort()

    @transaction.atomic
    def _accept(self, name: str, inspection: Inspection, signer: TrustedKey, actor: Actor) -> UpgradePackage:
        Cluster.objects.select_for_update().get(pk=self.cluster.pk)
        digest = self._sha256.hexdigest()
        existing = UpgradePackage.objects.filter(cluster=self.cluster, package_name=name).first()
        if existing is not None:
            if existing.sha256 != digest:
                raise PackageExists("file", name=name)
            return existing
        manifest = inspection.manifest
        package = UpgradePackage.objects.create(
            cluster=self.cluster,
            package_name=name,
            version=manifest.version,
            md5=self._md5.hexdigest(),
            sha256=digest,
            size=self.size,
            signed_by=signer.name,
            fingerprint=signer.fingerprint,
            release_notes=manifest.release_notes,
            update_time=timezone.now(),
        )
        for service, payload in manifest.services.items():
            files = [entry for _, entry in manifest.files_of(service)]
            PackagePayload.objects.create(
                package=package,
                service_type=service,
                minimum_version=payload.minimum_version or "",
                files=len(files),
                size=sum(entry.size for entry in files),
            )
        emit(
            "package.accepted",
            self.cluster.pk,
            f"package {name} was taken in",
            f"已接收升级包 {name}",
            cluster_uuid=self.cluster.pk,
        )
        self._publish(store(self.cluster) / name)
        record(actor, "package.accept", f"package {name}", changes=[{"path": "sha256", "from": None, "to": digest}])
        return package

    def _publish(self, target: Path) -> None:
        """Put the file in place before the commit: a file without a row is swept, a row without a file never is."""
        target.parent.mkdir(parents=True, exist_ok=True)
        self.path.replace(target)  # also replaces the orphan of a crash between this line and the commit
        for folder in (target.parent, target.parent.parent):
            handle = os.open(folder, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)


def trusted_keys(cluster: Cluster) -> list[TrustedKey]:
    """Return the keys whose packages this cluster accepts now."""
    living = Q(expire_time=None) | Q(expire_time__gt=timezone.now())
    return list(TrustedKey.objects.filter(living, Q(cluster=cluster) | Q(cluster=None)))


def import_file(cluster: Cluster, path: Path, actor: Actor) -> UpgradePackage:
    """Take in a package that lies on this machine; the file stays where it is."""
    with path.open("rb") as source:
        intake = Intake(cluster, path.name, expected_size=path.stat().st_size)
        try:
            while block := source.read(BLOCK):
                intake.write(block)
        except BaseException:
            intake.abort()
            raise
        return intake.finish(actor)


def sweep() -> None:
    """Remove what killed processes left: quarantine files, and store files without a row. Run at set-up.

    Replicas share the data dir and may be taking a package in right now, so there only old leftovers go.
    """
    grace = 0 if connection.vendor == "sqlite" else _SWEEP_SECONDS
    known = {(str(cluster), name) for cluster, name in UpgradePackage.objects.values_list("cluster_id", "package_name")}
    stored = (env.DATA_DIR / "packages").glob("*/*")
    orphans = [path for path in stored if (path.parent.name, path.name) not in known]
    for path in [*(env.DATA_DIR / "quarantine").glob("*"), *orphans]:
        if time.time() - path.stat().st_mtime >= grace:
            path.unlink(missing_ok=True)
