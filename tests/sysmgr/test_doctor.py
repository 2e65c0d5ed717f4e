"""`manage.py doctor`: one line a check, a hint where something is wrong, and an exit code that tells."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from cluster.leader import Lease
from sysmgr import env
from sysmgr.management import health

CHECKS = [
    "database",
    "migrations",
    "keys",
    "disk",
    "clock",
    "leader",
    "connections",
    "static files",
    "password",
    "switches",
    "rows",
    "backups",
    "proxies",
    "audit",
]


@pytest.fixture
def well(term: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Path:
    """An installation where nothing is wrong."""
    monkeypatch.setattr(env, "DATA_DIR", tmp_path)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "django-secret").touch(mode=0o600)
    (tmp_path / "static" / "admin").mkdir(parents=True)
    settings.STATIC_ROOT = tmp_path / "static"
    Lease("127.0.0.1").heartbeat()
    return tmp_path


def doctor(*words: str) -> tuple[str, str]:
    """Return (what it said, the error that it ended with)."""
    out = StringIO()
    try:
        call_command("doctor", *words, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def test_all_is_well(well: Path) -> None:
    said, error = doctor()
    assert error == ""
    assert [line.split(": ")[0].split(maxsplit=1) for line in said.splitlines()] == [["ok", name] for name in CHECKS]


def test_json_holds_the_same_findings(well: Path) -> None:
    assert [finding["check"] for finding in json.loads(doctor("--json")[0])] == CHECKS


def test_what_is_wrong_is_named_with_what_to_do(well: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    (well / "keys" / "tls-key.pem").touch(mode=0o644)
    (well / "initial-admin-password").touch()
    settings.STATIC_ROOT = well / "nothing"
    Lease("127.0.0.1").acquire()
    from cluster.models import LeaderLease

    LeaderLease.objects.update(expires_at=None)
    monkeypatch.setattr(health, "LEAST_FREE", 1 << 62)
    findings = {finding["check"]: finding for finding in json.loads(doctor("--json")[0])}
    states = {name: finding["state"] for name, finding in findings.items()}
    assert states == {
        **dict.fromkeys(CHECKS, "ok"),
        "keys": "failed",
        "disk": "warning",
        "leader": "failed",
        "static files": "failed",
        "password": "warning",
    }
    assert all(finding["hint"] for finding in findings.values() if finding["state"] != "ok")
    assert "tls-key.pem" in findings["keys"]["text"]
    assert doctor()[1] == "failed: keys, leader, static files"


def test_a_database_that_does_not_answer_is_a_finding_and_no_traceback(
    well: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise OperationalError("could not connect: password=hidden")

    for check in ("_database", "_migrations", "_clock", "_leader"):
        monkeypatch.setattr(health, check, gone)
    said, error = doctor()
    assert said.count("does not answer") == 4 and "hidden" not in said
    assert error == "failed: database, migrations, clock, leader"
