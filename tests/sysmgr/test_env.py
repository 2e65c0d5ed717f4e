"""Variables that make no sense: one clear line that names the variable, a non-zero exit, and nothing made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sysmgr.env import BASE_DIR


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("SYSMGR_BIND", "nonsense", "host:port"),
        ("SYSMGR_BIND", "127.0.0.1:0", "host:port"),
        ("SYSMGR_BIND", "127.0.0.1:70000", "host:port"),
        ("SYSMGR_DEMO", "maybe", "neither true nor false"),
        ("SYSMGR_ALWAYS_200", "2", "neither true nor false"),
        ("SYSMGR_REVEAL_SECRETS", "admin", "neither true nor false"),
        ("SYSMGR_LEASE_TTL_SECONDS", "soon", "whole number"),
        ("SYSMGR_WEB_WORKERS", "0", "from 1 to"),
        ("SYSMGR_SWEEP_SECONDS", "9", "from 10 to"),
        ("SYSMGR_WEB_THREADS", "-1", "whole number"),
        ("SYSMGR_TIME_ZONE", "Mars/Olympus", "IANA"),
        ("SYSMGR_TIME_ZONE", "../etc/passwd", "IANA"),
        ("SYSMGR_TRUSTED_PROXIES", "10.0.0.1,proxy", "no IP address"),
        ("SYSMGR_LOCAL_ROOTS", "/srv/hosts,srv", "no absolute path"),
        ("SYSMGR_PROBE_DIR", "probes", "no absolute path"),
        ("SYSMGR_PROBE_DIR", "/srv/a,/srv/b", "more than one folder"),
        ("SYSMGR_TLS_CERT_FILE", "/no/such", "No such file"),
        ("SYSMGR_SMTP_CA_FILE", "/no/such", "No such file"),
        ("SYSMGR_SSH_KEY_FILE", "/no/such", "No such file"),
        ("SYSMGR_PUBLIC_URL", "manager.example.com", "http(s)://"),
        ("DATABASE_URL", "mysql://user:sesame@host/name", "sqlite:///"),
        ("DATABASE_URL", "nonsense sesame", "sqlite:///"),
    ],
)
def test_it_is_refused_in_one_line(variable: str, value: str, told: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    environment = {**os.environ, "SYSMGR_DATA_DIR": str(data), variable: value}
    command = [sys.executable, str(BASE_DIR / "manage.py"), "check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"sysmgr: {variable}: ") and told in line
    assert "sesame" not in line
