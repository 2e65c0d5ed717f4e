"""Settings by path, as commands name them: `login_policy.token_expire_second`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from sysmgr.api import strict_json
from sysmgr.api.strict_json import printable
from sysmgr.crypto import MASK
from sysmgr.errors import InvalidInput, Problem

from .sections import SNMP_SECRETS

_SECRETS = ("mail_setting.smtp_password",)


def flat(document: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return {path: value}; lists stay whole."""
    found: dict[str, Any] = {}
    for key, value in document.items():
        step = f"{path}.{key}" if path else key
        found |= flat(value, step) if isinstance(value, Mapping) and value else {step: value}
    return found


def at(document: Mapping[str, Any], path: str) -> Any:
    """Return what lies at `path`, null below a part that is null now; or raise InvalidInput."""
    found: Any = document
    for key in path.split("."):
        if found is None:
            break
        if not isinstance(found, Mapping) or key not in found:
            raise InvalidInput([Problem(printable(path), "is no setting", "不是有效的设置项")])
        found = found[key]
    return found


def assigned(document: Mapping[str, Any], words: list[str], read: Callable[[str], str]) -> dict[str, Any]:
    """Return the change that `path=value` words mean: text where text is stored, else JSON.

    A value `@file` is read by `read`, and `@@…` is text that begins with one `@`. Secrets come from files only:
    others can see arguments.
    """
    changes: dict[str, Any] = {}
    for word in words:
        path, equals, text = word.partition("=")
        if not equals:
            raise InvalidInput([Problem(printable(word), "must be path=value", "必须是 path=value 形式")])
        stored, from_file = at(document, path), text.startswith("@") and not text.startswith("@@")
        if text.startswith("@"):
            text = read(text[1:]) if from_file else text[1:]
        value = _value(path, stored, text)
        if not from_file and _shows_secret(path, value):
            english = "is a secret: pass @FILE, or @- for standard input"
            raise InvalidInput([Problem(path, english, "为机密值：请使用 @FILE，或用 @- 从标准输入读取")])
        _put(changes, path, value)
    return strict_json.loads(json.dumps(changes).encode())  # by the rules of every other door


def _value(path: str, stored: Any, text: str) -> Any:
    if isinstance(stored, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        problem = Problem(path, "must be JSON: a number, true, false, null, or a list", "必须是 JSON 值")
        raise InvalidInput([problem]) from None


def _shows_secret(path: str, value: Any) -> bool:
    if path in _SECRETS:
        return value not in ("", MASK)
    if isinstance(value, Mapping):
        return any(_shows_secret(f"{path}.{key}", item) for key, item in value.items())
    if path == "snmp_settings.snmps" and isinstance(value, list):
        targets = [target for target in value if isinstance(target, Mapping)]
        return any(target.get(key) not in (None, "", MASK) for target in targets for key in SNMP_SECRETS)
    return False


def _put(changes: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    inside = changes
    for key in parents:
        inside = inside.setdefault(key, {})
        if not isinstance(inside, dict):
            raise InvalidInput([Problem(path, "lies below another given value", "位于另一给定值之下")])
    inside[last] = value
