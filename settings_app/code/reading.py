"""A file of settings as it is read: bounded, strict, and checked by the input that the API uses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from settings_app.errors import FileUnreadable
from settings_app.sections import SECTIONS
from settings_app.serializers import SettingUpdateInput
from sysmgr.api import strict_json
from sysmgr.api.fields import validated
from sysmgr.errors import InvalidInput, MalformedBody, Problem

from .references import Resolved
from .yaml_reading import loads_yaml

MAX_BYTES = strict_json.MAX_BODY_BYTES
_OPTIONS = frozenset(SettingUpdateInput().fields) - SECTIONS.keys() - {"password_special_char"}


def read_document(source: str) -> dict[str, Any]:
    """Return what a file holds, or standard input for `-`. Raises FileUnreadable or InvalidInput."""
    return parse(_read(source))


def _read(source: str) -> bytes:
    try:
        if source == "-":
            raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(source).open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no name of a file"
        raise FileUnreadable(reason=f"{strict_json.printable(source)}: {reason}", reason_cn=reason) from None
    if len(raw) > MAX_BYTES:
        raise FileUnreadable(reason=f"it is larger than {MAX_BYTES} bytes", reason_cn=f"超过 {MAX_BYTES} 字节")
    return raw


def parse(raw: bytes) -> dict[str, Any]:
    """Return the document that JSON (where it begins with a brace) or YAML holds."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileUnreadable(reason="it is not UTF-8", reason_cn="不是 UTF-8 编码") from None
    if text.lstrip().startswith("{"):
        return _strict(text)
    document = loads_yaml(text)
    if document is None:
        raise FileUnreadable(reason="it is empty", reason_cn="文件为空")
    if not isinstance(document, dict):
        raise FileUnreadable(reason="it holds no sections", reason_cn="文件中没有设置分区")
    return _strict(json.dumps(document))


def _strict(text: str) -> dict[str, Any]:
    """Return a document by the rules of every other door."""
    try:
        return strict_json.loads(text.encode())
    except MalformedBody as error:
        raise FileUnreadable(reason=error.params["reason"], reason_cn=error.params["reason_cn"]) from None


def changes_of(resolved: Resolved) -> dict[str, Any]:
    """Return the change that a document means, as the services take it. Raises InvalidInput that names each path."""
    document = resolved.document
    given = [key for key in document if key in _OPTIONS]
    if given:
        text = "is none of the settings; give it to the command"
        raise InvalidInput(Problem(key, text, "不是设置项，请作为命令的选项给出") for key in given)
    # Once more, because the environment's texts came in.
    body = validated(SettingUpdateInput, _strict(json.dumps(document)))
    return {name: body[name] for name in SECTIONS if name in body}
