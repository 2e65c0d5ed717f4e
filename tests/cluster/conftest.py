"""What tests of hosts share: a cluster whose hosts are folders below a local root of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from sysmgr import env


def lay_out(root: Path, **services: str) -> Path:
    """Make a host's folder with services in the layout of design §6."""
    root.mkdir(parents=True, exist_ok=True)
    for service, version in services.items():
        release = root / service / "releases" / version
        release.mkdir(parents=True)
        (release / "file").write_text(f"{service} {version}")
        current = root / service / "current"
        current.unlink(missing_ok=True)
        current.symlink_to(Path("releases") / version)
    return root


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which local hosts may lie, beside a data directory of the test's own."""
    data, allowed = tmp_path / "data", tmp_path / "hosts"
    for folder in (data / "keys", allowed):
        folder.mkdir(parents=True)
    monkeypatch.setattr(env, "DATA_DIR", data)
    monkeypatch.setattr(env, "LOCAL_ROOTS", [allowed])
    return allowed
