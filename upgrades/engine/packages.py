"""The packages of live runs: checked once more, and unpacked where the engine reads them."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from cluster.models import Cluster
from sysmgr import env
from sysmgr.errors import SysmgrError
from upgrades.errors import PackageUnusable
from upgrades.intake import store, trusted_keys
from upgrades.models import UpgradePackage
from upgrades.package.manifest import Manifest
from upgrades.package.sign import load_public_key
from upgrades.package.unpack import unpack_package


def work_folders() -> Path:
    """Return where the manager keeps the unpacked packages of live runs, a folder each."""
    return env.DATA_DIR / "work"


def unpacked(package: UpgradePackage, cluster: Cluster, work: Path) -> tuple[Manifest, Path]:
    """Check the store's file against its row and its signature, and unpack it anew below `work`.
    Raises PackageUnusable."""
    path, folder = store(cluster) / package.package_name, work / package.version
    shutil.rmtree(folder, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    keys = {key.fingerprint: load_public_key(key.public_key) for key in trusted_keys(cluster)}
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != package.sha256:
            raise PackageUnusable(name=package.package_name, reason="its digest differs")
        return unpack_package(path, folder, keys).manifest, folder
    except OSError as error:
        raise PackageUnusable(name=package.package_name, reason=error.strerror or "unreadable") from None
    except PackageUnusable:
        raise
    except SysmgrError as error:
        raise PackageUnusable(name=package.package_name, reason=error.name()) from None
