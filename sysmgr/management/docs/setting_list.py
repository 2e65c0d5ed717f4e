"""`docs/settings.md`: every key of the eight sections with its type, bounds, defaults and where it is enforced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.db import models
from django.utils import translation
from rest_framework import serializers

from settings_app.models import SnmpTarget
from settings_app.sections import DOCUMENTED, SECTIONS, render_section
from settings_app.serializers import SettingUpdateInput
from settings_app.services import DEMO_VALUES
from sysmgr.crypto import SecretField

_HEAD = """\
# Settings

Made by `manage.py write_docs` from the models and serializers; do not edit. Settings belong to a cluster; what the
doors (API, admin) obey is the default cluster's. "Safe" is what a new cluster starts with, "demo" what the demo cluster
starts with where that differs. Every value is strict: another type or a value out of its bounds is refused with its
path, and nothing is stored.
"""
# Where a section or a key is enforced today, and what is only stored; a key's own entry adds to its section's.
_ENFORCED = {
    "login_policy": "at each log-in at the API and at the admin",
    "login_policy.token_expire_second": "at each request with a token and at each page of the admin",
    "password_complexity_policy": "wherever a password is set or used to come in, at every door",
    "password_complexity_policy.password_expire_force_modify": "by the gate and the admin, at each request",
    "password_complexity_policy.password_expired_warn_email_notify": "by the leader, once a day a user",
    "password_complexity_policy.notify_user_password_when_create": "when a one-time link is made",
    "mail_setting": "in every mail that the system sends",
    "multi_authentication_setting": "at each log-in at the API and at the admin; keys for programs need none",
    "access_control_policy": "at every door but /healthz, /readyz and static files, from the next request on",
    "front_style_setting": "at the admin: its log-in page, its navigation and its pages",
    "storage_setting": "not in this product: stored and served for the storage service",
    "snmp_settings": "not yet, stored and served: traps come with a later version",
}
# Keys that lie inside a JSON column have no label of their own.
_WITHOUT_COLUMN = {
    "time_access_control_policy.enabled": ("Check times.", "检查时间。"),
    "time_access_control_policy.time_zone": ("IANA time zone of the windows.", "时间窗口所用的 IANA 时区。"),
    "time_access_control_policy.whitelist": (
        "True: only within the windows. False: only outside of them.",
        "true：仅在窗口内允许；false：仅在窗口外允许。",
    ),
    "time_access_control_policy.windows": ("The windows.", "时间窗口列表。"),
    "time_access_control_policy.windows[].days": (
        "1 to 7, Monday is 1: the days on which the window starts.",
        "1 至 7，1 为星期一：窗口开始的日期。",
    ),
    "time_access_control_policy.windows[].start": ("HH:MM.", "HH:MM。"),
    "time_access_control_policy.windows[].end": (
        "HH:MM; not after the start: past midnight, equal to it: 24 h.",
        "HH:MM；不晚于开始表示跨越午夜，等于开始表示 24 小时。",
    ),
    "snmps": ("The receivers of traps; null and an empty list are told apart.", "Trap 接收方列表；null 与空列表不同。"),
}


def text() -> str:
    """Return the document."""
    parts = [_HEAD]
    for name in SECTIONS:
        title, title_cn = _both(SECTIONS[name]._meta.verbose_name)
        parts += [f"## {name}", "", f"{title[:1].upper()}{title[1:]} / {title_cn}. Enforced: {_ENFORCED[name]}.", ""]
        parts += ["| Key | Type and bounds | Safe | Demo | What it is |", "|---|---|---|---|---|"]
        safe = _fresh(name)
        demo = {**safe, **DEMO_VALUES.get(name, {})}
        for path, field in _leaves(SettingUpdateInput().fields[name], ""):
            parts.append(_row(name, path, field, _value(safe, path), _value(demo, path)))
        parts.append("")
    return "\n".join(parts)


def _fresh(name: str) -> dict[str, Any]:
    """Return what a new cluster has in a section; an unsaved row can't be asked for its (no) targets."""
    return {"snmps": None} if name == "snmp_settings" else render_section(SECTIONS[name]())


def _leaves(field: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield each key below `field` with its path; the items of a list of objects are written as `[]`."""
    if isinstance(field, serializers.ListField) and isinstance(field.child, serializers.Serializer):
        yield path, field
        yield from _children(field.child, f"{path}[]")
    elif isinstance(field, serializers.Serializer):
        if field.allow_null:
            yield path, field
        yield from _children(field, path)
    else:
        yield path, field


def _children(field: Any, path: str) -> Iterator[tuple[str, Any]]:
    for key, inner in field.fields.items():
        yield from _leaves(inner, f"{path}.{key}" if path else key)


def _row(section: str, path: str, field: Any, safe: str, demo: str) -> str:
    said = _said(section, path)
    enforced = _ENFORCED.get(f"{section}.{path}")
    what = said if enforced is None else f"{said} Enforced: {enforced}."
    return f"| `{path}` | {_kind(field, section, path)} | {safe} | {demo if demo != safe else ''} | {what} |"


def _value(section: dict[str, Any], path: str) -> str:
    if "[]" in path:
        return ""
    value: Any = section
    for step in path.split("."):
        if not isinstance(value, dict):
            return ""
        value = value.get(step)
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _kind(field: Any, section: str, path: str) -> str:
    """Return the type and the bounds of a field in words."""
    nullable = " or null" if field.allow_null else ""
    if isinstance(field, serializers.ListField):
        most = f", at most {field.max_length}" if field.max_length is not None else ""
        return f"list{most}{nullable}"
    if isinstance(field, serializers.Serializer):
        return f"object{nullable}"
    if isinstance(field, serializers.BooleanField):
        return f"true or false{nullable}"
    if isinstance(field, serializers.IntegerField):
        return f"integer {field.min_value} to {field.max_value}{nullable}"
    if isinstance(field, serializers.ChoiceField):
        values = [*([""] if field.allow_blank else []), *[key for key in field.choices if key != ""]]
        return "one of " + ", ".join(f'`"{value}"`' for value in values)
    secret = isinstance(_model_field(section, path), SecretField)
    least = "up to " if field.allow_blank else "1 to "
    return f"string, {least}{field.max_length} characters" + (", secret: shown as a mask" if secret else "")


def _model_field(section: str, path: str) -> models.Field[Any, Any] | None:
    """Return the column behind a key, if it has one of its own."""
    model: Any = SECTIONS[section]
    name = {documented: column for column, documented in DOCUMENTED.items()}.get(path, path)
    if path.startswith("snmps[]."):
        model, name = SnmpTarget, path.removeprefix("snmps[].")
    return next((field for field in model._meta.concrete_fields if field.name == name), None)


def _said(section: str, path: str) -> str:
    """Return label and help of a key in both languages."""
    column = _model_field(section, path)
    if column is None:
        english, chinese = _WITHOUT_COLUMN.get(path, ("", ""))
        return f"{english} / {chinese}" if english else ""
    label, label_cn = _both(column.verbose_name)
    help_text, help_cn = _both(column.help_text)
    english = f"{label[:1].upper()}{label[1:]}.{' ' if help_text else ''}{help_text}"
    return f"{english} / {label_cn}{'。' if help_cn else ''}{help_cn}".replace("|", "\\|").rstrip("。") + (
        "。" if label_cn else ""
    )


def _both(lazy: Any) -> tuple[str, str]:
    with translation.override("en"):
        english = str(lazy)
    with translation.override("zh-hans"):
        return english, str(lazy)
