"""Strict reading of JSON values: each refusal names the path of the value at fault."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from typing import Any, NoReturn

from .errors import PackageManifestInvalid, Reason

_BREAKS = {"Cc", "Cs", "Zl", "Zp"}  # control characters, lone surrogates, line and paragraph separators


def refuse(path: str, english: str, chinese: str) -> NoReturn:
    """Raise PackageManifestInvalid for the value at `path`."""
    raise PackageManifestInvalid(path, Reason(english, chinese))


def decode_json(raw: bytes) -> object:
    """Return the value of a UTF-8 JSON text without doubled keys, NaN or Infinity."""
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_no_doubles, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        refuse("", "it is not one JSON object in UTF-8", "不是 UTF-8 编码的 JSON 对象")


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            refuse(key, "the key appears twice", "键重复出现")
        found[key] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def as_object(value: object, path: str, keys: Iterable[str] | None = None) -> dict[str, Any]:
    """Return `value` as an object; with `keys` it must hold exactly these."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        refuse(path, "must be an object", "必须是对象")
    if keys is not None:
        wanted = list(keys)
        for key in value:
            if key not in wanted:
                refuse(join(path, key), "unknown key", "未知的键")
        for key in wanted:
            if key not in value:
                refuse(join(path, key), "missing", "缺失")
    return value


def as_list(value: object, path: str, most: int) -> list[Any]:
    """Return `value` as a list of at most `most` items."""
    if not isinstance(value, list):
        refuse(path, "must be a list", "必须是列表")
    if len(value) > most:
        refuse(path, f"more than {most} items", f"超过 {most} 项")
    return value


def as_int(value: object, path: str, least: int, most: int) -> int:
    """Return `value` as an integer within the bounds; true and 5.0 are no integers."""
    if type(value) is not int:
        refuse(path, "must be an integer", "必须是整数")
    if not least <= value <= most:
        refuse(path, f"must be {least} to {most}", f"必须在 {least} 到 {most} 之间")
    return value


def as_text(value: object, path: str, most: int, *, allow: str = "") -> str:
    """Return `value` as text of at most `most` characters, without control characters but `allow`."""
    if not isinstance(value, str):
        refuse(path, "must be a string", "必须是字符串")
    if len(value) > most:
        refuse(path, f"longer than {most} characters", f"超过 {most} 个字符")
    if any(unicodedata.category(c) in _BREAKS and c not in allow for c in value):
        refuse(path, "holds a control character", "包含控制字符")
    return value


def as_choice(value: object, path: str, choices: Iterable[str]) -> str:
    """Return `value` if it is one of the texts in `choices`."""
    allowed = list(choices)
    if not isinstance(value, str) or value not in allowed:
        refuse(path, f"must be one of {', '.join(allowed)}", f"必须是 {'、'.join(allowed)} 之一")
    return value


def join(path: str, key: str) -> str:
    """Return the path of the key `key` of the object at `path`."""
    return f"{path}.{key}" if path else key
