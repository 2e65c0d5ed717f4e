"""What a host says that it runs, and making its rows say the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from cluster.models import Host, HostService, ServiceType
from upgrades.transports.base import Result
from upgrades.versions import parsed

_VERSION = re.compile(r"[A-Za-z0-9_+@][A-Za-z0-9._+@-]{0,63}")


@dataclass(frozen=True)
class Drift:
    """A service of which the host says something else than its row: "" is none, or none of ours."""

    service_type: str
    before: str
    after: str

    @property
    def change(self) -> dict[str, Any]:
        """The entry of the audit."""
        return {"path": f"{self.service_type}.version", "from": self.before, "to": self.after}


def versions_of(result: Result) -> dict[str, str]:
    """Return the version of each known service that an `inspect` told of; "" where `current` is no link to one."""
    found: dict[str, str] = {}
    for line in result.output.splitlines():
        key, _, rest = line.partition(" ")
        service, _, version = rest.partition(" ")
        if key == "service" and service in ServiceType.values:
            found[service] = version if _VERSION.fullmatch(version) and version != "-" else ""
    return found


def known(host: Host) -> dict[str, str]:
    """Return what the rows say. One query unless prefetched."""
    return {service.service_type: service.version for service in host.services.all()}


@transaction.atomic
def follow(host: Host, told: Mapping[str, str]) -> list[Drift]:
    """Make the rows of a host say what it told; return what differed. A service that is ours no more stays as
    unmanaged, a new one is added. The caller holds the host's lock and tells. Queries: services, one a difference."""
    rows = {service.service_type: service for service in HostService.objects.filter(host=host)}
    found: list[Drift] = []
    for service in ServiceType.values:
        row, version = rows.get(service), told.get(service, "")
        before = row.version if row else ""
        if version == before:
            continue
        found.append(Drift(service, before, version))
        facts: dict[str, Any] = {"version": version, "unmanaged": not version}
        if row and row.catch_up and version and parsed(version) >= parsed(row.catch_up):
            facts["catch_up"] = ""
        HostService.objects.update_or_create(host=host, service_type=service, defaults=facts)
    return found


def in_words(drifts: list[Drift]) -> tuple[str, str]:
    """Say what differed, in both languages."""
    english = "; ".join(f"{one.service_type} {one.before or '(none)'} → {one.after or '(none)'}" for one in drifts)
    chinese = "；".join(f"{one.service_type} {one.before or '（无）'} → {one.after or '（无）'}" for one in drifts)
    return english, chinese
