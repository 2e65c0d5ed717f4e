"""Taking a package in: streamed to quarantine while hashing, checked, then row and file appear together."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from cluster.models import Cluster
from cluster.services import locked
from sysmgr import env
from sysmgr.api.fields import StrictUUIDField
from sysmgr.audit.services import Actor, record
from sysmgr.events.services import emit

from .digests import Digests, digests_of
from .errors import NoSpaceForPackage, PackageExists, PackageNameWrong
from .models import PackagePayload, TrustedKey, UpgradePackage
from .package.build import package_name
from .package.inspect import Inspection, inspect_package
from .package.names import version_fault
from .package.sign import load_public_key
from .trust import living

BLOCK = 1024 * 1024
DEMO_KEY_FILE = "demo-signing.pem"  # below <data dir>/keys; made per installation
_RESERVE = 64 * BLOCK  # what an intake leaves free for the database and logs


def store(cluster: Cluster) -> Path:
    """Return the folder in which a cluster's accepted packages lie unchanged (contract §6)."""
    return env.DATA_DIR / "packages" / str(cluster.pk)


class Intake:
    """One package on its way in. Use `write` for each block, then `finish`; `abort` leaves nothing behind."""

    def __init__(self, name: str, *, expected_size: int = 0) -> None:
        self.name = name
        folder = quarantine()
        sweep_quarantine()
        if lacks_space(expected_size):
            raise NoSpaceForPackage("file")
        self.path, self._file = _locked_file(folder)

    @classmethod
    def adopt(cls, name: str, path: Path, whole: BinaryIO) -> Intake:
        """Take in a whole file that lies below the data dir, by a second name for it: the first one stays, and with
        it the bytes, whatever ends this process. `whole` is that file, locked: this keeps sweeps away here too."""
        intake = cls.__new__(cls)
        intake.name, intake.path = name, quarantine() / str(uuid.uuid4())
        intake._file = os.fdopen(os.dup(whole.fileno()), "rb")
        os.link(path, intake.path)
        return intake

    def write(self, block: bytes) -> None:
        """Take one block; raise NoSpaceForPackage when the disk is full."""
        try:
            self._file.write(block)
        except OSError:
            self.abort()
            raise NoSpaceForPackage("file") from None

    def abort(self) -> None:
        """Remove what was taken so far."""
        with contextlib.suppress(OSError):  # a full disk may refuse what is still buffered
            self._file.close()
        self.path.unlink(missing_ok=True)

    def finish(
        self, cluster: Cluster, actor: Actor, accepted: Callable[[UpgradePackage], None] = lambda package: None
    ) -> UpgradePackage:
        """Check the package and accept it for `cluster`, or raise why not; either way quarantine is empty then.
        `accepted` is called in the transaction that accepts it."""
        try:
            self._flush()
            keys = trusted_keys(cluster)
            # Disk and digests take other cores than the inspection: syncing, hashing, inflating let go of the GIL.
            with digests_of(self.path, sync=True) as digests:
                inspection = inspect_package(self.path, {k.fingerprint: load_public_key(k.public_key) for k in keys})
                name = package_name(inspection.manifest.version)
                self._check_name(name)
                signer = next(key for key in keys if key.fingerprint == inspection.signed_by)
                try:
                    found = digests()
                except OSError:
                    raise NoSpaceForPackage("file") from None
            return self._accept(cluster, name, inspection, signer, found, actor, accepted)
        finally:
            self.abort()

    def _flush(self) -> None:
        try:
            self._file.flush()
        except OSError:
            raise NoSpaceForPackage("file") from None

    def _check_name(self, expected: str) -> None:
        """Refuse a file that claims to be another version; any other name says nothing, the manifest does."""
        claimed = re.fullmatch(r"updatepackage_(.+)\.tar\.gz", self.name)
        if claimed and self.name != expected and version_fault(claimed[1]) is None:
            raise PackageNameWrong("file", name=self.name[:64], expected=expected)

    @transaction.atomic
    def _accept(
        self,
        cluster: Cluster,
        name: str,
        inspection: Inspection,
        signer: TrustedKey,
        found: Digests,
        actor: Actor,
        accepted: Callable[[UpgradePackage], None],
    ) -> UpgradePackage:
        locked(cluster.pk)
        existing = UpgradePackage.objects.filter(cluster=cluster, package_name=name).first()
        if existing is not None:
            if existing.sha256 != found.sha256:
                raise PackageExists("file", name=name)
            self._publish(store(cluster) / name)  # the same again also mends a store that lost or spoilt it
            accepted(existing)
            return existing
        manifest = inspection.manifest
        package = UpgradePackage.objects.create(
            cluster=cluster,
            package_name=name,
            version=manifest.version,
            md5=found.md5,
            sha256=found.sha256,
            size=found.size,
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
            cluster.pk,
            f"package {name} was taken in",
            f"已接收升级包 {name}",
            cluster_uuid=cluster.pk,
        )
        self._publish(store(cluster) / name)
        accepted(package)
        changes = [{"path": "sha256", "from": None, "to": found.sha256}]
        record(actor, "package.accept", f"package {name}", changes=changes)
        return package

    def _publish(self, target: Path) -> None:
        """Put the file in place before the commit: a file without a row is swept, a row without a file never is."""
        target.parent.mkdir(parents=True, exist_ok=True)
        self.path.replace(target)  # also replaces the orphan of a crash between this line and the commit
        for folder in (target.parent, target.parent.parent):
            handle = os.open(folder, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)


def quarantine() -> Path:
    """Return the folder of what is being taken in."""
    folder = env.DATA_DIR / "quarantine"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def lacks_space(size: int) -> bool:
    """Whether the disk is too full for so many bytes more."""
    return shutil.disk_usage(env.DATA_DIR).free < size + _RESERVE


def trusted_keys(cluster: Cluster) -> list[TrustedKey]:
    """Return the keys whose packages this cluster accepts now."""
    return list(TrustedKey.objects.filter(living(), Q(cluster=cluster) | Q(cluster=None)))


def import_file(cluster: Cluster, path: Path, actor: Actor) -> UpgradePackage:
    """Take in a package that lies on this machine; the file stays where it is."""
    with path.open("rb") as source:
        intake = Intake(path.name, expected_size=path.stat().st_size)
        try:
            while block := source.read(BLOCK):
                intake.write(block)
        except BaseException:
            intake.abort()
            raise
        return intake.finish(cluster, actor)


def _locked_file(folder: Path) -> tuple[Path, BinaryIO]:
    """Make a quarantine file that is locked for as long as this process takes it in, so that no sweep removes it."""
    while True:
        path = folder / str(uuid.uuid4())
        file = path.open("xb")
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return path, file
        file.close()  # a sweep saw it between its making and its lock


def sweep_quarantine() -> None:
    """Remove what killed intakes left; a living intake holds the lock of its file."""
    for path in (env.DATA_DIR / "quarantine").glob("*"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)


def sweep() -> None:
    """Remove what killed processes left: quarantine files, and store files without a row."""
    sweep_quarantine()
    for path in (env.DATA_DIR / "packages").glob("*/*"):
        cluster = StrictUUIDField.parse(path.parent.name)
        if cluster and not UpgradePackage.objects.filter(cluster=cluster, package_name=path.name).exists():
            sweep_file(cluster, path.name)


@transaction.atomic
def sweep_file(cluster_uuid: uuid.UUID, name: str) -> None:
    """Remove a store file unless it is a row's: packages are published and removed under the cluster's lock, so here
    the row is there or will never be."""
    list(Cluster.objects.select_for_update().filter(pk=cluster_uuid))
    if not UpgradePackage.objects.filter(cluster=cluster_uuid, package_name=name).exists():
        (env.DATA_DIR / "packages" / str(cluster_uuid) / name).unlink(missing_ok=True)
