"""How each section maps between its documented JSON and its row: keys, their order, what is secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sysmgr.crypto import MASK, Secret, SecretUnreadable
from sysmgr.errors import InvalidInput, Problem

from . import models
from .models.base import Section

SECTIONS: dict[str, type[Section]] = {
    "login_policy": models.LoginPolicy,
    "password_complexity_policy": models.PasswordComplexityPolicy,
    "mail_setting": models.MailSetting,
    "multi_authentication_setting": models.MultiAuthenticationSetting,
    "access_control_policy": models.AccessControlPolicy,
    "front_style_setting": models.FrontStyleSetting,
    "storage_setting": models.StorageSetting,
    "snmp_settings": models.SnmpSettings,
}
PASSWORD_SPECIAL_CHAR = "1234567890ABCDEFGHIJKLMNOPQRSTUVWXYZ~!@#$%^&*_+-="
SNMP_KEYS = (
    "name",
    "enabled",
    "version",
    "host",
    "port",
    "community",
    "user",
    "auth_protocol",
    "auth_password",
    "priv_protocol",
    "priv_password",
)
SNMP_SECRETS = ("community", "auth_password", "priv_password")
# Columns whose documented name is another one.
DOCUMENTED = {
    "ip_enabled": "ip_access_control_policy.enabled",
    "ip_whitelist": "ip_access_control_policy.whitelist",
    "ip_ranges": "ip_access_control_policy.ip_ranges.ranges",
    "time_policy": "time_access_control_policy",
}
TIME_KEYS = ("enabled", "time_zone", "whitelist", "windows")


def columns(model: type[Section]) -> tuple[str, ...]:
    """Return the section's own fields in the order of the model, which is the documented one."""
    return tuple(field.attname for field in model._meta.concrete_fields if field.name != "cluster")


def shown(value: Any, *, clear: bool = False) -> Any:
    """Return a value as it is shown: secrets as their mask, or `clear` where their key is at hand."""
    if not isinstance(value, Secret):
        return value
    try:
        return value.reveal() if clear else str(value)
    except SecretUnreadable:
        return str(value)


def render_section(row: Section, *, clear: bool = False) -> dict[str, Any]:
    """Return the section's documented JSON, secrets masked unless `clear`."""
    if isinstance(row, models.AccessControlPolicy):
        return {
            "ip_access_control_policy": {
                "ip_ranges": {"ranges": row.ip_ranges},
                "whitelist": row.ip_whitelist,
                "enabled": row.ip_enabled,
            },
            "time_access_control_policy": row.time_policy,
        }
    if isinstance(row, models.SnmpSettings):
        targets = [{key: shown(getattr(target, key), clear=clear) for key in SNMP_KEYS} for target in row.targets.all()]
        return {"snmps": targets if row.has_list else None}
    return {name: shown(getattr(row, name), clear=clear) for name in columns(type(row))}


def revealed(sections: Mapping[str, Any]) -> list[str]:
    """Return the paths of the secrets that the documented JSON shows in clear."""
    mail = sections.get("mail_setting", {})
    found = {"mail_setting.smtp_password": mail.get("smtp_password")}
    for place, target in enumerate(sections.get("snmp_settings", {}).get("snmps") or []):
        found |= {f"snmp_settings.snmps[{place}].{key}": target[key] for key in SNMP_SECRETS}
    return [path for path, value in found.items() if value and value != MASK]


def assignments(row: Section, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return {column: new value} of a change in documented JSON; SNMP's list has no column and is left out."""
    if isinstance(row, models.AccessControlPolicy):
        found: dict[str, Any] = {}
        ip = changes.get("ip_access_control_policy", {})
        if "enabled" in ip:
            found["ip_enabled"] = ip["enabled"]
        if "whitelist" in ip:
            found["ip_whitelist"] = ip["whitelist"]
        if "ranges" in ip.get("ip_ranges", {}):
            found["ip_ranges"] = ip["ip_ranges"]["ranges"]
        if "time_access_control_policy" in changes:
            found["time_policy"] = _time_policy(row, changes["time_access_control_policy"])
        return found
    if isinstance(row, models.SnmpSettings):
        return {"has_list": changes["snmps"] is not None} if "snmps" in changes else {}
    return dict(changes)


def _time_policy(row: models.AccessControlPolicy, new: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the policy that `new` makes of the stored one; InvalidInput names what is still missing of a whole one."""
    if new is None:
        return None
    whole = {**(row.time_policy or {}), **new}
    missing = [key for key in TIME_KEYS if key not in whole]
    if missing:
        base = "access_control_policy.time_access_control_policy"
        raise InvalidInput(Problem(f"{base}.{key}", "is required", "为必填项") for key in missing)
    return {key: whole[key] for key in TIME_KEYS}


def changed_columns(row: Section, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what is equal to the stored value, and the mask, which keeps the stored secret."""
    found = {}
    for name, value in wanted.items():
        stored = getattr(row, name)
        if isinstance(stored, Secret):
            if value == MASK:
                continue
            value = value if isinstance(value, Secret) else Secret(clear=value)
        if value != stored:
            found[name] = value
    return found


def difference(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> list[dict[str, Any]]:
    """Return [{path, from, to}] between two documents; lists are compared whole."""
    found: list[dict[str, Any]] = []
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        step = f"{path}.{key}" if path else key
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += difference(old, new, step)
        elif old != new:
            found.append({"path": step, "from": old, "to": new})
    return found
