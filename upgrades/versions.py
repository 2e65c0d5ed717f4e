"""Versions: ordered by PEP 440, shown as written; which package may upgrade which service."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from packaging.version import InvalidVersion, Version

from .models import UpgradePackage


@lru_cache(maxsize=4096)
def parsed(text: str) -> Version:
    """Return the PEP 440 version, or the lowest there is for text that is none (a host may report anything)."""
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0.dev0")


def newest_first(packages: Iterable[UpgradePackage]) -> list[UpgradePackage]:
    """Return packages by version, newest first."""
    return sorted(packages, key=lambda package: parsed(package.version), reverse=True)


def upgrades(package_version: str, minimum: str, installed: str) -> bool:
    """Tell whether a payload fits: newer, reachable, and never a pre-release for a final version."""
    new, old = parsed(package_version), parsed(installed)
    if new <= old or (minimum and old < parsed(minimum)):
        return False
    return old.is_prerelease or not new.is_prerelease
