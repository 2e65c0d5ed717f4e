"""The words in which each app describes its calls, in its module `openapi`; `description` makes OpenAPI of them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any

from django.apps import apps
from django.utils.module_loading import autodiscover_modules
from rest_framework import serializers

from sysmgr.errors import SysmgrError, catalogue

PREFIX = "/v1/system/"
_OURS = ("sysmgr", "cluster", "settings_app", "upgrades")
Parameter = dict[str, Any]


class Answer(serializers.Serializer[Any]):
    """An object of an answer: exactly these keys, in this order."""


def string(**kwargs: Any) -> serializers.CharField:
    """Return a string of an answer; it may be empty."""
    return serializers.CharField(**{"allow_blank": True, **kwargs})


def whole(**kwargs: Any) -> serializers.IntegerField:
    """Return an integer of an answer, not negative."""
    return serializers.IntegerField(**{"min_value": 0, **kwargs})


def moment(**kwargs: Any) -> serializers.IntegerField:
    """Return a time of an answer."""
    return whole(help_text="Epoch seconds.", **kwargs)


def strings() -> serializers.ListField:
    """Return a list of strings of an answer."""
    return serializers.ListField(child=string())


def by_name(child: Any) -> serializers.DictField:
    """Return an object of an answer whose keys are names, with one kind of value."""
    return serializers.DictField(child=child)


class Empty(Answer):
    """Nothing to tell but that it was done."""


@dataclass(frozen=True)
class Call:
    """What one address takes and answers."""

    request: type[serializers.Serializer[Any]] | None = None
    answer: Any = Empty
    query: tuple[Parameter, ...] = ()
    errors: tuple[type[SysmgrError], ...] = ()
    envelope: str = "standard"
    cluster: bool = True
    open: bool = False
    many: bool = False
    file: str = ""
    form: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    not_modified: bool = False


_calls: dict[str, Call] = {}
_rules: dict[Any, str] = {}
_refined: dict[tuple[type, str], dict[str, Any]] = {}
_answers: dict[str, type[Answer]] = {}


def describe(path: str, **said: Any) -> None:
    """Describe the call at `path` (below /v1/system/ unless it is a whole one)."""
    for name in ("query", "errors"):
        said[name] = tuple(said.get(name, ()))
    _calls[path if path.startswith("/") else PREFIX + path] = Call(**said)


def described() -> dict[str, Call]:
    """Return every description, by address; loads the apps' own modules first."""
    load()
    return _calls


def rule(validator: Callable[[Any], Any], pattern: str) -> None:
    """State the regular expression (without anchors) that a validator of ours stands for."""
    _rules[validator] = pattern


def refine(given: type[serializers.Serializer[Any]], key: str, **said: Any) -> None:
    """State of one key what its serializer checks by a method, and inherit it as the method is."""
    _refined[given, key] = said


def refined(given: type, key: str) -> dict[str, Any]:
    """Return what was stated of a key of a serializer or of one that it comes from."""
    return next((_refined[cls, key] for cls in given.__mro__ if (cls, key) in _refined), {})


def pattern_of(validators: Iterable[Any]) -> str:
    """Return the regular expression of the first validator that has one."""
    return next((_rules[v] for v in validators if callable(v) and getattr(v, "__hash__", None) and v in _rules), "")


@cache
def load() -> None:
    """Import each app's `openapi` and everything that declares errors, so that the whole is told each time."""
    autodiscover_modules("openapi")
    load_errors()


def product_errors() -> list[type[SysmgrError]]:
    """Return the catalogue of the product's own errors, whatever was imported before; tests declare some too."""
    load_errors()
    return [error for error in catalogue() if error.__module__.partition(".")[0] in _OURS]


@cache
def load_errors() -> None:
    """Import every module of the product that is named for errors: the catalogue knows what was imported."""
    for config in apps.get_app_configs():
        if config.name.partition(".")[0] not in _OURS:
            continue
        for module in pkgutil.walk_packages([config.path], f"{config.name}."):
            if module.name.rpartition(".")[2].endswith("errors"):
                importlib.import_module(module.name)


def text(name: str, description: str, *, required: bool = False, **schema: Any) -> Parameter:
    """Return a query parameter that is a string."""
    return _parameter(name, description, required, {"type": "string", "maxLength": 255, **schema})


def uuid(name: str, description: str, *, required: bool = False) -> Parameter:
    """Return a query parameter that is a UUID."""
    return _parameter(name, description, required, {"type": "string", "format": "uuid"})


def number(name: str, description: str, low: int, high: int, default: int | None = None) -> Parameter:
    """Return a query parameter that is an integer within its bounds."""
    schema: dict[str, Any] = {"type": "integer", "minimum": low, "maximum": high}
    return _parameter(name, description, False, schema if default is None else {**schema, "default": default})


def _parameter(name: str, description: str, required: bool, schema: dict[str, Any]) -> Parameter:
    return {"in": "query", "name": name, "description": description, "required": required, "schema": schema}


CLUSTER = uuid("cluster_uuid", "The cluster; left out, the default one is meant.")


def paging(default: int = 20, most: int = 1000) -> tuple[Parameter, ...]:
    """Return the parameters that every paged list takes."""
    return (
        number("page_num", "The page, from 0.", 0, 1_000_000, 0),
        number("page_size", "Rows a page.", 1, most, default),
    )


def errors_of(module: ModuleType, *prefixes: str) -> list[type[SysmgrError]]:
    """Return the errors that a module declares, those whose names begin so."""
    found = [
        value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__
    ]
    return [value for value in found if issubclass(value, SysmgrError) and value.__name__.startswith(prefixes or "")]


def answer_of(given: type[serializers.Serializer[Any]], name: str, without: Iterable[str] = ()) -> type[Answer]:
    """Return the answer that shows what an input takes: the same keys and types, all of them there."""
    if name not in _answers:
        fields = {key: _shown(key, one) for key, one in given().fields.items() if key not in without}
        model = getattr(getattr(given, "Meta", None), "model", given)
        _answers[name] = type(name, (Answer,), {**fields, "__doc__": model.__doc__})
    return _answers[name]


def _shown(key: str, one: Any) -> Any:
    kwargs = {k: v for k, v in one._kwargs.items() if k not in ("required", "default", "validators", "child")}
    if isinstance(one, serializers.ListField):
        return serializers.ListField(child=_shown(key, one.child), **kwargs)
    if isinstance(one, serializers.Serializer):
        kept = {k: v for k, v in kwargs.items() if k in ("allow_null",)}
        return answer_of(type(one), type(one).__name__.removesuffix("Input"))(**kept)
    return type(one)(*one._args, **kwargs)
