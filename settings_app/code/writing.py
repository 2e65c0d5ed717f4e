"""The file of a cluster's settings as it is written: the same settings are the same bytes."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import UUID

import yaml

from settings_app.selectors import render_settings

from .references import referring

HEADER = """\
# The settings of a cluster, as `manage.py settings_export` writes them; docs/settings-as-code.md says what to do with
# them. It holds no secrets: where one is stored stands the variable that `settings_apply` takes it from.
"""
# Texts that every reader of YAML takes for texts as they stand; all others are quoted.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.@/-]*(?: [A-Za-z0-9_.@/-]+)*")
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))


def exported(cluster_uuid: UUID) -> dict[str, Any]:
    """Return the eight sections as documented, each stored secret as its reference. Queries: two."""
    return referring(render_settings(cluster_uuid))


def as_json(document: dict[str, Any]) -> str:
    """Return a document as JSON, its keys in the order that they have."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def as_yaml(document: dict[str, Any]) -> str:
    """Return a document as YAML: blocks, no aliases, no folded lines, keys in the order that they have."""
    text: str = yaml.dump(
        document, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, sort_keys=False, width=1_000_000
    )
    return HEADER + text


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _text)
