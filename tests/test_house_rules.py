"""The rules of the house, held by tests: every module says what it is, nothing grows too long or goes untested."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.urls import URLPattern, URLResolver, get_resolver

from sysmgr.env import BASE_DIR

LONGEST = 300
APPS = ("sysmgr", "cluster", "settings_app", "upgrades")
SOURCES = sorted(
    path
    for folder in (*APPS, "tests", "templates", "benchmarks")
    for path in (BASE_DIR / folder).rglob("*")
    if path.suffix in (".py", ".sh", ".html") and "migrations" not in path.parts and path.stat().st_size
)
TESTS = "\n".join(path.read_text() for path in SOURCES if path.is_relative_to(BASE_DIR / "tests"))


def name(path: Path) -> str:
    return str(path.relative_to(BASE_DIR))


def test_no_file_is_too_long() -> None:
    lines = {name(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {path: count for path, count in lines.items() if count > LONGEST} == {}


def test_every_module_says_what_room_it_is() -> None:
    silent = [name(p) for p in SOURCES if p.suffix == ".py" and not ast.get_docstring(ast.parse(p.read_text()))]
    assert silent == []


def test_public_functions_of_the_product_have_hints_and_a_docstring() -> None:
    bare = []
    for path in SOURCES:
        if path.suffix == ".py" and path.relative_to(BASE_DIR).parts[0] in APPS:
            tree = ast.parse(path.read_text())
            public = [n for n in tree.body if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]
            inner = [item for node in public for item in node.body]
            for node in [*tree.body, *inner]:
                if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
                    continue
                overload = any("overload" in ast.unparse(d) for d in node.decorator_list)
                if node.returns is None or not (ast.get_docstring(node) or overload):
                    bare.append(f"{name(path)}:{node.lineno} {node.name}")
    assert bare == []


def test_every_command_has_a_test_and_an_example() -> None:
    ours = {command for command, app in get_commands().items() if str(app).partition(".")[0] in APPS}
    assert ours
    assert {command for command in ours if not re.search(rf"\b{command}\b", TESTS)} == set()
    for path in SOURCES:
        if path.parent.name == "commands" and path.stem != "__init__":
            assert f"Example: {'manage.py'}" in path.read_text() or "manage.py " + path.stem in path.read_text()


# They print no facts: two serve until they are told to stop, one writes documents.
SILENT = {"run_manager", "serve", "write_docs"}


def test_every_command_that_prints_facts_prints_them_as_json() -> None:
    ours = {command: str(app) for command, app in get_commands().items() if str(app).partition(".")[0] in APPS}
    assert ours.keys() > SILENT
    parsers = {command: load_command_class(app, command).create_parser("", command) for command, app in ours.items()}
    silent = {name for name, parser in parsers.items() if "--json" not in parser.format_help()}
    assert silent == SILENT


def paths(patterns: list[URLPattern | URLResolver], before: str = "") -> list[str]:
    found = []
    for pattern in patterns:
        address = before + str(pattern.pattern)
        found += paths(pattern.url_patterns, address) if isinstance(pattern, URLResolver) else [address]
    return found


def test_every_endpoint_has_a_test() -> None:
    ours = [p for p in paths(get_resolver().url_patterns) if p.startswith("v1/") or p in ("healthz", "readyz")]
    assert len(ours) > 10
    assert [path for path in ours if path.removeprefix("v1/system/") not in TESTS] == []


def test_no_endpoint_ends_in_a_slash() -> None:
    assert [p for p in paths(get_resolver().url_patterns) if p.startswith("v1/") and p.endswith("/")] == []


@pytest.mark.parametrize(
    "arguments", [["makemigrations", "--check", "--dry-run"], ["check", "--deploy", "--fail-level", "WARNING"]]
)
def test_the_project_checks_itself(arguments: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, "SYSMGR_DATA_DIR": str(tmp_path), "SYSMGR_BIND": "0.0.0.0:8443"}  # noqa: S104
    for variable in ("SYSMGR_TLS_CERT_FILE", "SYSMGR_TLS_KEY_FILE"):
        (tmp_path / variable).touch()
        environment[variable] = str(tmp_path / variable)
    command = [sys.executable, str(BASE_DIR / "manage.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
