"""Strict fields: a JSON value is of the documented type or refused; nothing is coerced, nothing dropped."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import models
from django.utils import translation
from rest_framework import serializers
from rest_framework.settings import api_settings

from sysmgr import env
from sysmgr.crypto import SecretField
from sysmgr.errors import InvalidInput, Problem, bilingual

from .strict_json import printable

_TEXTS = {
    "required": bilingual("is required", "为必填项"),
    "null": bilingual("must not be null", "不得为 null"),
    "unknown": bilingual("is not a known key", "未知的键"),
    "boolean": bilingual("must be true or false", "必须是 true 或 false"),
    "integer": bilingual("must be an integer", "必须是整数"),
    "string": bilingual("must be a string", "必须是字符串"),
    "list": bilingual("must be a list", "必须是列表"),
    "object": bilingual("must be an object", "必须是对象"),
    "uuid": bilingual("must be a UUID in its usual form", "必须是标准格式的 UUID"),
}


class _Strict:
    default_error_messages: ClassVar[dict[str, Any]] = {
        "required": _TEXTS["required"],
        "null": _TEXTS["null"],
    }


class StrictBooleanField(_Strict, serializers.BooleanField):
    """true or false; `"yes"` and 1 are neither."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": _TEXTS["boolean"]}

    def to_internal_value(self, data: Any) -> bool:
        """Return the value itself."""
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


class StrictIntegerField(_Strict, serializers.IntegerField):
    """An integer; neither true nor 5.0 nor "5"."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": _TEXTS["integer"]}

    def to_internal_value(self, data: Any) -> int:
        """Return the value itself."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


class StrictCharField(_Strict, serializers.CharField):
    """A string, kept as it is sent, at most 255 characters unless stated."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": _TEXTS["string"]}

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 255)
        super().__init__(**{"trim_whitespace": False, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        """Return the value itself."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictChoiceField(_Strict, serializers.ChoiceField):
    """One of the named strings."""

    def to_internal_value(self, data: Any) -> str:
        """Return the value itself."""
        if not isinstance(data, str):
            self.fail("invalid_choice", input=printable(str(data)))
        if data == "" and self.allow_blank:
            return ""
        if data not in self.choices:
            self.fail("invalid_choice", input=printable(data))
        return data


class StrictUUIDField(_Strict, serializers.Field[uuid.UUID, str, str, Any]):
    """A UUID in its 36-character form; Python's parser alone would take braces, URNs and integers."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": _TEXTS["uuid"]}
    _form = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

    @classmethod
    def parse(cls, data: Any) -> uuid.UUID | None:
        """Return the UUID, or None when `data` is not one in its usual form."""
        return uuid.UUID(data) if isinstance(data, str) and cls._form.fullmatch(data) else None

    def to_internal_value(self, data: Any) -> uuid.UUID:
        """Return the UUID."""
        found = self.parse(data)
        if found is None:
            self.fail("invalid")
        return found

    def to_representation(self, value: uuid.UUID) -> str:
        """Return its usual form."""
        return str(value)


class StrictListField(_Strict, serializers.ListField):
    """A JSON list."""

    default_error_messages: ClassVar[dict[str, Any]] = {"not_a_list": _TEXTS["list"]}

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return the checked items; errors carry their place."""
        if not isinstance(data, list):
            self.fail("not_a_list", input_type=type(data).__name__)
        return super().to_internal_value(data)


class StrictSerializer(_Strict, serializers.Serializer[Any]):
    """An object without unknown keys."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": _TEXTS["object"]}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the checked values; an unknown key is a problem like any other."""
        if not isinstance(data, Mapping):
            raise serializers.ValidationError({api_settings.NON_FIELD_ERRORS_KEY: [_TEXTS["object"]]})
        unknown = {printable(key): [_TEXTS["unknown"]] for key in data if key not in self.fields}
        if env.LENIENT_KEYS:
            unknown = {}
        try:
            value: dict[str, Any] = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**dict(error.detail), **unknown}) from None  # type: ignore[arg-type]
        if unknown:
            raise serializers.ValidationError(unknown)
        return value


class StrictModelSerializer(StrictSerializer, serializers.ModelSerializer[Any]):
    """Strict fields with the bounds that the model states."""

    serializer_field_mapping: ClassVar[
        dict[type[models.Field[Any, Any]], type[serializers.Field[Any, Any, Any, Any]]]
    ] = {
        models.BooleanField: StrictBooleanField,
        models.PositiveIntegerField: StrictIntegerField,
        models.CharField: StrictCharField,
        SecretField: StrictCharField,
    }
    serializer_choice_field = StrictChoiceField


def validated(
    serializer: type[serializers.Serializer[Any]], data: Any, prefix: str = "", **kwargs: Any
) -> dict[str, Any]:
    """Return the checked values of `data`, or raise InvalidInput with every path, in both languages."""
    with translation.override("en"):
        first = serializer(data=data, **kwargs)
        if first.is_valid():
            return dict(first.validated_data)
    # The check is pure, so running it once more under Chinese yields the same problems in Chinese.
    with translation.override("zh-hans"):
        second = serializer(data=data, **kwargs)
        second.is_valid()
    english, chinese = dict(_flat(first.errors, prefix)), dict(_flat(second.errors, prefix))
    raise InvalidInput(Problem(path, text, chinese.get(path, text)) for path, text in english.items())


def _flat(errors: Any, path: str) -> list[tuple[str, str]]:
    """Flatten DRF's nested errors to (path, text): keys joined by dots, places in brackets."""
    if isinstance(errors, Mapping):
        found: list[tuple[str, str]] = []
        for key, value in errors.items():
            if key == api_settings.NON_FIELD_ERRORS_KEY:
                step = path
            elif isinstance(key, int):
                step = f"{path}[{key}]"
            else:
                step = f"{path}.{key}" if path else str(key)
            found += _flat(value, step)
        return found
    if isinstance(errors, list) and errors and isinstance(errors[0], Mapping | list):
        return [pair for place, item in enumerate(errors) if item for pair in _flat(item, f"{path}[{place}]")]
    if isinstance(errors, list):
        return [(path, "; ".join(str(item) for item in errors))] if errors else []
    return [(path, str(errors))]


def invalid_model(
    error: DjangoValidationError, prefix: str, documented: Mapping[str, str] = MappingProxyType({})
) -> InvalidInput:
    """Return the InvalidInput that says what a model's `full_clean` refused, in both languages.

    `documented` gives the documented name of fields whose own name is another one.
    """

    def texts(language: str) -> dict[str, str]:
        with translation.override(language):
            return {field: "; ".join(str(m) for m in messages) for field, messages in error.message_dict.items()}

    english, chinese = texts("en"), texts("zh-hans")

    def path(name: str) -> str:
        steps = [prefix, "" if name == "__all__" else documented.get(name, name)]
        return ".".join(step for step in steps if step)

    return InvalidInput(Problem(path(name), text, chinese[name]) for name, text in english.items())
