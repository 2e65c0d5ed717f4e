"""Strict YAML: the values of JSON in YAML's clothes; no tags, anchors, aliases, second documents or second keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from settings_app.errors import FileUnreadable
from sysmgr.api.strict_json import MAX_DEPTH, printable
from sysmgr.errors import InvalidInput, Problem

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})(?P<rest>(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,2})?)")
_CONSTANTS = {"null": None, "~": None, "": None, "true": True, "false": False}


def loads_yaml(text: str) -> Any:
    """Return the one document that the text holds, None where it is empty.

    Unquoted, `true`, `false`, `null` and numbers as JSON writes them are what they look like; everything else is
    text, `no`, `08:00` and dates too. Raises FileUnreadable, or InvalidInput that names the path.
    """
    try:
        events = yaml.parse(text, Loader=_Loader)
        return _Builder(events).document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        where_cn = f"（第 {mark.line + 1} 行）" if mark else ""
        said = printable(getattr(error, "problem", None) or "it is not valid")
        raise FileUnreadable(reason=f"no YAML{where}: {said}", reason_cn=f"不是有效的 YAML{where_cn}") from None


class _Builder:
    """Makes values of YAML's events, one by one: what is refused is refused before anything grows."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events

    def document(self) -> Any:
        value: Any = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _refused(event, "it holds more than one document", "包含多个文档")
                value = self._value(next(self._events), "", 1)
        return value

    def _value(self, event: Any, path: str, depth: int) -> Any:
        _refuse_marks(event)
        if isinstance(event, yaml.ScalarEvent):
            return _plain(event.value) if event.implicit[0] else event.value
        if depth > MAX_DEPTH:
            raise _refused(event, f"it is nested deeper than {MAX_DEPTH} levels", f"嵌套超过 {MAX_DEPTH} 层")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(path, depth)
        return self._mapping(path, depth)

    def _list(self, path: str, depth: int) -> list[Any]:
        found: list[Any] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            found.append(self._value(event, f"{path}[{len(found)}]", depth + 1))
        return found

    def _mapping(self, path: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event, path)
            step = f"{path}.{printable(key)}" if path else printable(key)
            if key in found:
                raise InvalidInput([Problem(step, "appears twice", "重复出现")])
            found[key] = self._value(next(self._events), step, depth + 1)
        return found

    def _key(self, event: Any, path: str) -> str:
        _refuse_marks(event)
        key = None
        if isinstance(event, yaml.ScalarEvent):
            key = _plain(event.value) if event.implicit[0] else event.value
        if not isinstance(key, str):
            line = event.start_mark.line + 1
            raise InvalidInput(
                [Problem(path, f"has a key in line {line} that is no text", f"第 {line} 行的键不是文本")]
            )
        return key


def _plain(text: str) -> Any:
    """Return what an unquoted word is."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    number = _NUMBER.fullmatch(text)
    if number is None:
        return text
    return float(text) if number["rest"] else int(text)


def _refuse_marks(event: Any) -> None:
    """Raise FileUnreadable for what makes a small file large, or one value another one."""
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
        raise _refused(
            event, "anchors and aliases (& and *) are not taken; quote a text that begins so", "不支持锚点与别名"
        )
    if event.tag is not None:
        raise _refused(event, "tags (!) are not taken; quote a text that begins so", "不支持标签")


def _refused(event: Any, reason: str, reason_cn: str) -> FileUnreadable:
    line = event.start_mark.line + 1
    return FileUnreadable(reason=f"line {line}: {reason}", reason_cn=f"第 {line} 行：{reason_cn}")
