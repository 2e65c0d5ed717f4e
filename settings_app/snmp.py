"""The list of SNMP trap targets: replaced whole, each secret kept where the mask came back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sysmgr.crypto import MASK, Secret
from sysmgr.errors import InvalidInput, Problem

from .models import SnmpSettings, SnmpTarget
from .sections import SNMP_SECRETS

MAX_TARGETS = 16
_DESTINATION = ("host", "port", "user")


def replace_targets(settings: SnmpSettings, targets: Sequence[Mapping[str, Any]], *, checked: bool = True) -> list[str]:
    """Store `targets` and return the paths of the secrets that changed; raise InvalidInput, naming the path.

    Unchecked, what was stored before is stored again as it was.
    """
    stored = {target.name: target for target in settings.targets.all()}
    rows, changed, problems = [], [], []
    for place, target in enumerate(targets):
        path = f"snmps[{place}]"
        former = stored.get(target["name"])
        values = dict(target)
        moved = former is not None and any(values[name] != getattr(former, name) for name in _DESTINATION)
        for key in SNMP_SECRETS:
            kept = getattr(former, key) if former else Secret()
            if values[key] != MASK:
                values[key] = Secret(clear=values[key])
                if values[key] != kept:
                    changed.append(f"{path}.{key}")
                continue
            values[key] = kept
            if kept and moved:
                text = "must be sent in clear or empty when the destination changes"
                problems.append(Problem(f"snmp_settings.{path}.{key}", text, "目标变更时必须提供明文或空值"))
            elif not kept:
                problems.append(
                    Problem(f"snmp_settings.{path}.{key}", "has no stored value to keep", "没有可保留的已存值")
                )
        rows.append(SnmpTarget(settings=settings, ordinal=place, **values))
    names = [target["name"] for target in targets]
    problems += [
        Problem(f"snmp_settings.snmps[{place}].name", "appears twice", "重复出现")
        for place, name in enumerate(names)
        if name in names[:place]
    ]
    if problems and checked:
        raise InvalidInput(problems)
    settings.targets.all().delete()
    SnmpTarget.objects.bulk_create(rows)
    return changed
