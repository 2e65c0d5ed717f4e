"""`manage.py write_docs`: writes what is out of date, nothing else, and tells with --check."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from sysmgr.management import docs
from sysmgr.management.commands import write_docs


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one document that is true and one that is out of date."""
    made = {"true.md": lambda: "true", "old.md": lambda: "new", "missing.md": lambda: "there"}
    for module in (docs, write_docs):
        monkeypatch.setattr(module, "FOLDER", tmp_path)
        monkeypatch.setattr(module, "DOCUMENTS", made)
    (tmp_path / "true.md").write_text("true")
    (tmp_path / "old.md").write_text("old")
    return tmp_path


def test_check_names_what_is_out_of_date_and_writes_nothing(folder: Path) -> None:
    with pytest.raises(CommandError, match="out of date: old.md, missing.md; run manage.py write_docs"):
        call_command("write_docs", "--check")
    assert (folder / "old.md").read_text() == "old" and not (folder / "missing.md").exists()


def test_it_writes_and_is_safe_to_repeat(folder: Path) -> None:
    said = StringIO()
    call_command("write_docs", stdout=said)
    assert said.getvalue().splitlines() == ["written  docs/old.md", "written  docs/missing.md"]
    assert (folder / "old.md").read_text() == "new"
    again = StringIO()
    call_command("write_docs", stdout=again)
    call_command("write_docs", "--check")
    assert again.getvalue() == ""
