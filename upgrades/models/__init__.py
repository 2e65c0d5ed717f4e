"""Packages, their trust and their uploads, runs and their items, backups, and who holds a host."""

from .backups import Backup
from .packages import PackagePayload, TrustedKey, UpgradePackage
from .runs import HostHold, UpgradeItem, UpgradeRun
from .uploads import TusUpload

__all__ = [
    "Backup",
    "HostHold",
    "PackagePayload",
    "TrustedKey",
    "TusUpload",
    "UpgradeItem",
    "UpgradePackage",
    "UpgradeRun",
]
