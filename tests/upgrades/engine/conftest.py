"""What the engine's tests share: the demo in a folder of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.models import Cluster
from sysmgr import env
from sysmgr.audit.services import SYSTEM
from sysmgr.management import demo


@pytest.fixture
def demo_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(env, "DATA_DIR", tmp_path)
    (tmp_path / "keys").mkdir()
    demo.set_up(SYSTEM)
    return Cluster.objects.get()
