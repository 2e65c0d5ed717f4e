"""Strict JSON (contract §1): what json.loads lets pass and a store should not."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from sysmgr.errors import InvalidInput, MalformedBody, Problem

MAX_BODY_BYTES = 1024 * 1024
MAX_DEPTH = 20
MAX_ITEMS = 10_000
# C0 and C1 controls (NUL among them) and lone surrogates: no setting needs them, and stores choke on them.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def _malformed(reason: str, reason_cn: str) -> NoReturn:
    raise MalformedBody(reason=reason, reason_cn=reason_cn)


class _Duplicate(ValueError):
    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(key)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise _Duplicate(key)
        result[key] = value
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def loads(raw: bytes) -> dict[str, Any]:
    """Parse one JSON object, or raise MalformedBody or InvalidInput naming the path."""
    if not raw.strip():
        _malformed("it is empty", "请求体为空")
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except _Duplicate as error:
        problem = Problem(printable(error.key), "appears twice", "重复出现")
        raise InvalidInput([problem]) from None
    except RecursionError:
        _malformed("it is nested too deeply", "嵌套过深")
    except UnicodeDecodeError:
        _malformed("it is not UTF-8", "不是 UTF-8 编码")
    except ValueError:
        _malformed("it is not valid JSON", "不是有效的 JSON")
    if not isinstance(value, dict):
        _malformed("it is not a JSON object", "不是 JSON 对象")
    _check(value, "", 1)
    return value


def printable(text: str) -> str:
    """Return a key or value as it may stand in an error: escaped and cut at 64 characters."""
    return _FORBIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)[:64]


def check_text(text: str, path: str) -> None:
    """Raise InvalidInput for characters that no setting needs and stores choke on."""
    if _FORBIDDEN.search(text):
        english = "must not hold control characters or lone surrogates"
        raise InvalidInput([Problem(path, english, "不得包含控制字符或不成对的代理字符")])


def _check(value: Any, path: str, depth: int) -> None:
    if isinstance(value, str):
        check_text(value, path)
    elif isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            _malformed(f"it is nested deeper than {MAX_DEPTH} levels", f"嵌套超过 {MAX_DEPTH} 层")
        if len(value) > MAX_ITEMS:
            raise InvalidInput([Problem(path, f"has more than {MAX_ITEMS} items", f"超过 {MAX_ITEMS} 项")])
        if isinstance(value, dict):
            for key, item in value.items():
                if _FORBIDDEN.search(key):
                    raise InvalidInput([Problem(printable(key), "is not a valid key", "键名无效")])
                _check(item, f"{path}.{key}" if path else key, depth + 1)
        else:
            for place, item in enumerate(value):
                _check(item, f"{path}[{place}]", depth + 1)
