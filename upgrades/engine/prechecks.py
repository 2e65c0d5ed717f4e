"""The named prechecks: what must hold on a host before anything of it is changed."""

from __future__ import annotations

from typing import NoReturn

from upgrades import agent
from upgrades.errors import PrecheckFailed
from upgrades.models import UpgradeItem
from upgrades.transports.base import Result

SPARE_KB = 10 * 1024


def check(item: UpgradeItem, payload_kb: int, found: Result) -> None:
    """Raise PrecheckFailed, naming the check, when the host that answered `found` can't take this item.

    Checks, in this order: protocol, tools, writable, managed, version, disk_space.
    """
    lines = [line.split(" ") for line in found.output.splitlines()]

    def refuse(name: str, reason: str) -> NoReturn:
        raise PrecheckFailed(check=name, host=item.host_ip, reason=reason)

    if ["protocol", str(agent.PROTOCOL)] not in lines:
        refuse("protocol", "the host's script speaks another protocol")
    missing = [line[1] for line in lines if line[0] == "missing"]
    if missing:
        refuse("tools", f"{', '.join(missing)} can't be found")
    if ["writable", "yes"] not in lines:
        refuse("writable", "the host's folder can't be written")
    versions = {line[1]: line[2] for line in lines if line[0] == "service"}
    version = versions.get(item.service_type, "-")
    if version == "-":
        refuse("managed", f"{item.service_type} has no `current` that points at a release")
    if version not in (item.from_version, item.to_version):
        refuse("version", f"the host runs {version}, not {item.from_version}")
    release = {line[1]: int(line[2]) for line in lines if line[0] == "release_kb"}
    free = next((int(line[1]) for line in lines if line[0] == "free_kb"), 0)
    # The payload is there twice (pushed, staged), and so is the old release (backup, read back).
    needed = 2 * payload_kb + 2 * release.get(item.service_type, 0) + SPARE_KB
    if free < needed:
        refuse("disk_space", f"{free} KiB are free, {needed} KiB are needed")
