"""What the script's tests share: one host for each shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from .host import SHELLS, Host, tools


@pytest.fixture(params=SHELLS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    """A host whose steps run in dash, bash or busybox; its root has a blank in its name."""
    path = tools(request.param, tmp_path / "applets")
    return Host(tmp_path / "a host", SHELLS[request.param], path=path)


@pytest.fixture
def dash(tmp_path: Path) -> Host:
    """A host for what does not depend on the shell."""
    return Host(tmp_path / "host", SHELLS["dash"], path=tools("dash", tmp_path / "applets"))
