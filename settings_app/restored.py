"""What a restore changes: a snapshot made a change of now, its masks made the secrets of now or the given ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from cluster.models import Cluster
from sysmgr.api.strict_json import printable
from sysmgr.crypto import MASK
from sysmgr.errors import InvalidInput, Problem

from .models import SnmpTarget
from .sections import SECTIONS, SNMP_KEYS, SNMP_SECRETS, columns

_MAIL = "mail_setting.smtp_password"


def changes_of(
    cluster: Cluster, snapshot: Mapping[str, Any], sections: Collection[str], secrets: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Return the change that brings `snapshot` back, whole or only `sections`; keys that it lacks stay as they are.

    `secrets` are {path: clear text or ""}, with the name of a target in the path:
    `mail_setting.smtp_password`, `snmp_settings.snmps[<name>].community`. Raises InvalidInput for others.
    Queries: targets (one, where SNMP is brought back).
    """
    names = [name for name in SECTIONS if name in snapshot and (not sections or name in sections)]
    changes = {name: _known(name, snapshot[name]) for name in names}
    left = dict(secrets)
    if "mail_setting" in changes:
        changes["mail_setting"]["smtp_password"] = left.pop(_MAIL, MASK)
    if changes.get("snmp_settings", {}).get("snmps"):
        stored = {target.name: target for target in SnmpTarget.objects.filter(settings=cluster.pk)}
        targets = changes["snmp_settings"]["snmps"]
        changes["snmp_settings"]["snmps"] = [_target(target, stored.get(target["name"]), left) for target in targets]
    if left:
        text = "is no secret of what is brought back"
        raise InvalidInput(Problem(f"secrets.{printable(path)}", text, "不是所恢复设置中的密文") for path in left)
    return changes


def _known(name: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the keys that an older or newer version knew and this one does not."""
    if name in ("access_control_policy", "snmp_settings"):
        return dict(section)  # nested; only known keys are looked at
    return {key: section[key] for key in columns(SECTIONS[name]) if key in section}


def _target(target: Mapping[str, Any], stored: SnmpTarget | None, left: dict[str, str]) -> dict[str, Any]:
    """Return a target as it was, with the secrets of now; what `left` gives is taken out of it."""
    whole = {**_blank(stored), **{key: target[key] for key in SNMP_KEYS if key in target}}
    for key in SNMP_SECRETS:
        given = left.pop(f"snmp_settings.snmps[{target['name']}].{key}", None)
        if given is not None:
            whole[key] = given
        elif stored is not None:
            whole[key] = MASK if getattr(stored, key) else ""
    return whole


def _blank(stored: SnmpTarget | None) -> dict[str, Any]:
    """Return what a key has that the snapshot lacks: the value of now, or the default."""
    row = stored or SnmpTarget()
    return {key: getattr(row, key) for key in SNMP_KEYS if key not in SNMP_SECRETS} | dict.fromkeys(SNMP_SECRETS, "")
