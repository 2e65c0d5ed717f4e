"""Packages and their trust, runs and their items, backups, and who holds a host."""

from .backups import Backup
from .packages import PackagePayload, TrustedKey, UpgradePackage
from .runs import HostHold, UpgradeItem, UpgradeRun

__all__ = ["Backup", "HostHold", "PackagePayload", "TrustedKey", "UpgradeItem", "UpgradePackage", "UpgradeRun"]
