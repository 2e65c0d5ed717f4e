"""mypy with a data directory of its own: its Django plugin loads the settings, which make keys."""

from __future__ import annotations

import subprocess
import sys

import tests.plugin  # noqa: F401  sets the environment

if __name__ == "__main__":
    sys.exit(subprocess.run([sys.executable, "-m", "mypy"], check=False).returncode)
