"""Loaded before Django's settings: tests get a data directory and a set of variables of their own."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

_folder = tempfile.mkdtemp(prefix="sysmgr-test-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)

for _name in [
    name for name in os.environ if name.startswith("SYSMGR_") and name not in ("SYSMGR_REQUIRE", "SYSMGR_FULL")
]:
    del os.environ[_name]
os.environ["SYSMGR_DATA_DIR"] = _folder
Path(_folder, "static").mkdir()
# A product is five processes: they, and pytest's own rewriting, are compiled once and not at each start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
