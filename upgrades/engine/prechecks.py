"""The named prechecks: what must hold on a host before anything of it is changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from upgrades import agent
from upgrades.models import UpgradeItem
from upgrades.transports.base import Result

SPARE_KB = 10 * 1024


class Finding(NamedTuple):
    """A check that a host does not pass, and why."""

    check: str
    reason: str


def check(item: UpgradeItem, payload_kb: int, found: Result) -> list[Finding]:
    """Return which checks the host that answered `found` does not pass for this item, in the order
    protocol, tools, writable, managed, version, disk_space."""
    return list(_findings(item, payload_kb, found))


def _findings(item: UpgradeItem, payload_kb: int, found: Result) -> Iterator[Finding]:
    # Padded: a host that lacks a tool leaves out what the tool would have told.
    lines = [[*line.split(" "), "", ""] for line in found.output.splitlines()]
    told = [line[:2] for line in lines]
    if ["protocol", str(agent.PROTOCOL)] not in told:
        yield Finding("protocol", "the host's script speaks another protocol")
        return  # what it says may mean something else
    missing = [line[1] for line in lines if line[0] == "missing"]
    if missing:
        yield Finding("tools", f"{', '.join(missing)} can't be found")
    if ["writable", "yes"] not in told:
        yield Finding("writable", "the host's folder can't be written")
    versions = {line[1]: line[2] for line in lines if line[0] == "service"}
    version = versions.get(item.service_type, "-")
    if version in ("", "-"):
        yield Finding("managed", f"{item.service_type} has no `current` that points at a release")
    elif version not in (item.from_version, item.to_version):
        yield Finding("version", f"the host runs {version}, not {item.from_version}")
    release = {line[1]: _number(line[2]) for line in lines if line[0] == "release_kb"}
    free = next((_number(line[1]) for line in lines if line[0] == "free_kb"), None)
    # The payload is there twice (pushed, staged), and so is the old release (backup, read back).
    needed = 2 * payload_kb + 2 * (release.get(item.service_type) or 0) + SPARE_KB
    if free is None:
        yield Finding("disk_space", f"the host can't tell what is free, {needed} KiB are needed")
    elif free < needed:
        yield Finding("disk_space", f"{free} KiB are free, {needed} KiB are needed")


def _number(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 19 else None
