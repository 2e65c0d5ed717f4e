"""Upgrades and packages that come at the same time: a host is held once, a package is stored once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster
from sysmgr.audit.services import SYSTEM
from tests.together import at_once
from upgrades.intake import import_file, store
from upgrades.models import HostHold, UpgradeItem, UpgradePackage, UpgradeRun

pytestmark = pytest.mark.django_db(transaction=True)
UPGRADE = "/v1/system/compute/version/upgrade"


@pytest.fixture
def api(demo_api: Client) -> Client:
    """An administrator's client of the demo."""
    return demo_api


def test_a_host_is_held_by_exactly_one_of_many_requests(api: Client) -> None:
    bodies = [{"list": [{"host_ip": "10.30.12.55", "service_type": name}]} for name in ("storage", "compute")] * 5

    def ask(body: dict[str, Any]) -> Any:
        return api.post(UPGRADE, json.dumps(body), content_type="application/json")

    answers = at_once([lambda body=body: ask(body) for body in bodies])  # type: ignore[misc]
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 9}
    run = UpgradeRun.objects.get()
    assert (UpgradeItem.objects.count(), HostHold.objects.get().run) == (1, run)
    for answer in answers:
        if answer.status_code == 409:
            assert str(run.pk) in answer.json()["message"]


def test_one_package_taken_in_many_times_at_once_is_there_once(api: Client, tmp_path: Path) -> None:
    cluster = Cluster.objects.get()
    stored = store(cluster) / "updatepackage_1.5.tar.gz"
    copy = tmp_path / stored.name
    stored.rename(copy)
    UpgradePackage.objects.filter(version="1.5").delete()
    packages = at_once([lambda: import_file(cluster, copy, SYSTEM)] * 6)
    assert len({package.pk for package in packages}) == 1
    assert stored.read_bytes() == copy.read_bytes()
    assert list((tmp_path / "quarantine").iterdir()) == []
