"""How commands tell a change: a line for each path."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from settings_app.sections import SNMP_SECRETS

_SECRETS = ("smtp_password", *SNMP_SECRETS)


def lines(changes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return `path: from -> to` of each change, values as JSON; of a secret only that it changes."""
    return [_line(entry) for entry in changes]


def _line(entry: Mapping[str, Any]) -> str:
    path = entry["path"]
    if path.rpartition(".")[2] in _SECRETS:
        return f"{path}: another secret"
    return f"{path}: {_said(entry['from'])} -> {_said(entry['to'])}"


def _said(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
