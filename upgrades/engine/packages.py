"""The packages of live runs: checked once more, and unpacked where the engine reads them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cluster.models import Cluster
from sysmgr import env
from sysmgr.errors import SysmgrError
from upgrades.errors import PackageUnusable
from upgrades.intake import trusted_keys
from upgrades.models import UpgradePackage
from upgrades.package.manifest import Manifest
from upgrades.package.sign import load_public_key
from upgrades.package.unpack import unpack_package


def work_folders() -> Path:
    """Return where the manager keeps the unpacked packages of live runs, a folder each."""
    return env.DATA_DIR / "work"


def keys_of(cluster: Cluster) -> Mapping[str, Ed25519PublicKey]:
    """Return the keys that the cluster trusts, by fingerprint. One query."""
    return {key.fingerprint: load_public_key(key.public_key) for key in trusted_keys(cluster)}


def unpacked(
    package: UpgradePackage, path: Path, work: Path, keys: Mapping[str, Ed25519PublicKey]
) -> tuple[Manifest, Path]:
    """Check the store's file at `path` against its row and its signature, and unpack it anew below `work`. It may take
    long, and asks nobody in the database. Raises PackageUnusable."""
    folder = work / package.version
    shutil.rmtree(folder, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
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
