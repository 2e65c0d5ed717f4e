"""System programs that only some tests need: missing ones skip those tests, or fail where all are required."""

from __future__ import annotations

import os
import shutil

import pytest


def requires(program: str, install: str) -> None:
    """Skip the test with the install command, or fail it when SYSMGR_REQUIRE=all."""
    if shutil.which(program):
        return
    text = f"{program} is missing: {install}"
    if os.environ.get("SYSMGR_REQUIRE") == "all":
        pytest.fail(text)
    pytest.skip(text)
