"""`manage.py drill`, as an operator runs it: every promise is kept, and this installation is left alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.product import ROOT, clean_environment

NAMES = [
    "undisturbed",
    "manager killed (kill -9)",
    "connection lost in mid-copy",
    "disk full",
    "package spoilt in the store",
    "health check fails",
    "late leader",
]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_promise_is_kept_and_nothing_stays(tmp_path: Path) -> None:
    data, scratch = tmp_path / "data", tmp_path / "scratch"
    scratch.mkdir()
    done = subprocess.run(
        [sys.executable, "manage.py", "drill", "--json"],
        cwd=ROOT,
        env=clean_environment(SYSMGR_DATA_DIR=str(data), TMPDIR=str(scratch)),
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert [one["name"] for one in told["scenarios"]] == NAMES and told["kept"] == told["of"] == len(NAMES)
    assert all(one["promised"] and one["happened"] for one in told["scenarios"])
    assert not list(scratch.iterdir()) and not (data / "sysmgr.sqlite3").exists()
