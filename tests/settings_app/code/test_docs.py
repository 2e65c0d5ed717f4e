"""`docs/settings-as-code.md`: every command that stands there is typed, and answers what stands there."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import CommandError

from cluster.models import Cluster
from sysmgr.env import BASE_DIR

from .lines import run

PAGE = (BASE_DIR / "docs" / "settings-as-code.md").read_text()


def steps() -> list[tuple[str, str]]:
    """Return [(what is typed, what is answered)] of the whole page."""
    blocks = "".join(re.findall(r"```console\n(.*?)```", PAGE, re.S))
    return [(step.partition("\n")[0], step.partition("\n")[2]) for step in re.split(r"^\$ ", blocks, flags=re.M)[1:]]


def typed(line: str) -> str:
    """Return what a typed line answers."""
    word, *rest = shlex.split(line)
    if word == "export":
        name, _, value = rest[0].partition("=")
        os.environ[name] = value
    elif word == "unset":
        os.environ.pop(rest[0])
    else:
        assert word == "manage.py"
        try:
            code, answer = run(*rest)
        except CommandError as error:
            return f"CommandError: {error}\n"
        return answer + (f"(exit {code})\n" if code else "")
    return ""


def test_the_commands_of_the_page_answer_what_stands_there(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SYSMGR_SECRET_SMTP_PASSWORD", raising=False)
    login, mail = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    (tmp_path / "login.yaml").write_text(login)
    (tmp_path / "mail.yaml").write_text(mail)
    assert len(steps()) > 15
    for line, told in steps():
        pattern = "(?s:.*)".join(re.escape(part) for part in re.split("…\n?", told.rstrip() + "\n"))
        answer = typed(line)
        assert re.fullmatch(pattern, answer or "\n"), (line, told, answer)


def test_the_page_names_every_command_and_option() -> None:
    for command in ("export", "plan", "apply", "drift", "pending", "confirm", "revisions", "restore"):
        assert f"settings_{command}" in PAGE
    for option in ("--cluster", "--json", "--format", "--output", "--exit-code", "--if-revision", "--confirm-within"):
        assert option in PAGE
