"""Packages, trust and uploads; runs, items and what their steps said; backups, and who holds a host."""

from .backups import Backup
from .packages import PackagePayload, TrustedKey, UpgradePackage
from .runs import HostHold, UpgradeItem, UpgradeRun
from .steps import StepLog
from .uploads import TusUpload

__all__ = [
    "Backup",
    "HostHold",
    "PackagePayload",
    "StepLog",
    "TrustedKey",
    "TusUpload",
    "UpgradeItem",
    "UpgradePackage",
    "UpgradeRun",
]
