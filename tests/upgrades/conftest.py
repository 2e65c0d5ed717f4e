"""What tests of upgrades share: the demo in a folder of the test's own, and an administrator's client of it."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest
from django.db.models import Model
from django.test import Client

from cluster.models import Cluster
from settings_app.policy import current_policy
from sysmgr import env
from sysmgr.audit.services import SYSTEM
from sysmgr.management import demo
from tests.conftest import client_of
from upgrades.intake import store
from upgrades.models import UpgradePackage


@pytest.fixture
def demo_cluster(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The demo as a first start makes it."""
    monkeypatch.setattr(env, "DATA_DIR", tmp_path)
    (tmp_path / "keys").mkdir()
    with patch.object(Model, "validate_constraints"):  # a query for each; the database checks them all the same
        demo.set_up(SYSTEM)
    current_policy()  # a worker keeps it from its first request on
    return Cluster.objects.get()


@pytest.fixture
def demo_api(demo_cluster: Cluster, term: int) -> Client:
    """An administrator's client of the demo; the test leads."""
    return client_of("administrator")


@pytest.fixture
def unstored(demo_cluster: Cluster) -> bytes:
    """The demo's good package of 1.5, which the store no longer has."""
    path = store(demo_cluster) / "updatepackage_1.5.tar.gz"
    content = path.read_bytes()
    path.unlink()
    UpgradePackage.objects.filter(package_name=path.name).delete()
    return content
