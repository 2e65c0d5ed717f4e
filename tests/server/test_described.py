"""The running server against its own description: schemathesis sends what that allows, and what it does not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sysmgr.env import BASE_DIR
from tests.server.product import Product, clean_environment, server_url

SECONDS = 280  # a bound, not an expectation: some 30 s for each part on two idle cores
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "ignored_auth",
    # Left out: positive_data_acceptance and missing_required_header. What fits the description may still be refused by
    # facts (an unknown host, a name that is taken), and no header of ours is required but Authorization.
)
EXCLUDED = (
    "/v1/authentication/logout",  # would end the token that the run goes on with
    "/v1/system/host/import",  # answers row by row, 200 with what is wrong in each: tests/cluster/test_import.py
    "/v1/system/mail_setting/test",  # would talk to whatever mail servers the generator names
)
# What is no fault of a body that does not fit: 413 too, for what is too long may be too large first.
REFUSALS = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429"]
CONFIGURATION = f"[checks]\nnegative_data_rejection.expected-statuses = {REFUSALS}\n"
# What does not fit is refused before the first query: on PostgreSQL only what fits is sent, and goes further.
MODE = "positive" if server_url() else "all"
# In parts, so that two test processes share them.
SETTINGS = "^/v1/(authentication|system/(setting|mail_setting))/"
UPGRADES = "^/v1/system/(upgrade|upgrade_package|compute|host|cluster)/"
PARTS = {
    "settings": ["--include-path-regex", SETTINGS],
    "upgrades": ["--include-path-regex", UPGRADES],
    "others": ["--exclude-path-regex", f"({SETTINGS}|{UPGRADES})"],
}


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 20)
@pytest.mark.parametrize("part", PARTS)
def test_schemathesis_finds_nothing(server: Product, tmp_path: Path, part: str) -> None:
    token = server.log_in()["token"]
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        str(configuration),
        "run",
        str(BASE_DIR / "docs" / "openapi.json"),
    ]
    command += ["--url", server.base, "--header", f"Authorization: Bearer {token}", "--checks", ",".join(CHECKS)]
    command += PARTS[part]
    command += [word for path in EXCLUDED for word in ("--exclude-path", path)]
    command += ["--mode", MODE, "--phases", "examples,coverage,fuzzing", "--max-examples", "4", "--seed", "1"]
    command += ["--generation-deterministic", "--request-timeout", "40"]
    command += ["--warnings", "off", "--no-color", "--no-shrink", "--suppress-health-check", "all"]
    done = subprocess.run(
        command, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, re.sub(r"(.)\1{60,}", r"\1…", done.stdout)[-6000:] + done.stderr[-2000:]
    assert "No issues found" in done.stdout and re.search(r"Tested: [1-9]", done.stdout), done.stdout[-2000:]
    assert "Traceback" not in server.errors()
