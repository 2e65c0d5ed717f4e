"""The Chinese texts of the admin: complete, in step with the source, and compiled as they are written."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.utils import translation

OURS = ("cluster", "settings_app", "upgrades", "sysmgr", "accounts", "api", "audit", "events")
FOLDERS = {app: Path(apps.get_app_config(app).path) for app in OURS}
CALLS = {"_", "gettext", "gettext_lazy"}
# Proper names: the same in both languages.
NAMES = {"MD5", "SHA-256", "SSH"}


def source(app: str) -> set[str]:
    """Return the texts that the app's source marks for translation."""
    inner = [path for other, path in FOLDERS.items() if other != app and path.is_relative_to(FOLDERS[app])]
    found = set()
    for path in FOLDERS[app].rglob("*.py"):
        if "migrations" in path.parts or any(path.is_relative_to(other) for other in inner):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
                text = node.args[0]
                assert isinstance(text, ast.Constant), f"{path}:{node.lineno} is no literal"
                found.add(str(text.value))
    return found


def written(app: str) -> dict[str, str]:
    """Return the .po file's texts; each stands in one line."""
    text = (FOLDERS[app] / "locale/zh_Hans/LC_MESSAGES/django.po").read_text()
    assert "fuzzy" not in text
    pairs = re.findall(r'^msgid "(.+)"\nmsgstr "(.*)"$', text, re.MULTILINE)
    return {ast.literal_eval(f'"{english}"'): ast.literal_eval(f'"{chinese}"') for english, chinese in pairs}


def compiled(app: str) -> dict[str, str]:
    """Return the .mo file's texts."""
    with (FOLDERS[app] / "locale/zh_Hans/LC_MESSAGES/django.mo").open("rb") as file:
        catalogue = gettext.GNUTranslations(file)
    return {english: catalogue.gettext(english) for english in catalogue._catalog if english}  # type: ignore[attr-defined]


@pytest.mark.parametrize("app", OURS)
def test_each_text_is_translated_and_compiled(app: str) -> None:
    texts = written(app)
    assert set(texts) == source(app)
    assert [english for english, chinese in texts.items() if not chinese] == []
    assert compiled(app) == texts


@pytest.mark.parametrize("app", OURS)
def test_translations_keep_the_placeholders(app: str) -> None:
    for english, chinese in written(app).items():
        assert sorted(re.findall(r"%\(\w+\)[sd]", english)) == sorted(re.findall(r"%\(\w+\)[sd]", chinese)), english


def test_a_text_means_the_same_in_every_app() -> None:
    """Django merges all catalogues into one, so two translations of a text would depend on the apps' order."""
    merged: dict[str, str] = {}
    for app in OURS:
        for english, chinese in written(app).items():
            assert merged.setdefault(english, chinese) == chinese, english


def names() -> Iterator[tuple[str, str]]:
    """Yield what people read of each app, model, field and choice, with where it stands."""
    for app in OURS:
        config = apps.get_app_config(app)
        if app != "sysmgr":
            yield app, str(config.verbose_name)
        for model in config.get_models():
            yield model.__name__, str(model._meta.verbose_name)
            for field in model._meta.concrete_fields:
                if field.primary_key or field.name in ("password", "last_login"):
                    continue
                yield f"{model.__name__}.{field.name}", str(field.verbose_name)
                for value, label in field.flatchoices:
                    if label != value:
                        yield f"{model.__name__}.{field.name}={value}", str(label)


def test_every_name_that_people_read_has_a_chinese_form() -> None:
    with translation.override("zh-hans"):
        plain = {place: text for place, text in names() if text not in NAMES and not re.search("[一-鿿]", text)}
    assert plain == {}
