"""The doors close while a run is under way: nobody comes in, and the run goes on to its end."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster
from settings_app.services import update_settings
from sysmgr.audit.services import SYSTEM
from upgrades.models import UpgradeRun

from .drive import ask, drive

pytestmark = pytest.mark.django_db(transaction=True)
NEVER = {"enabled": True, "time_zone": "UTC", "whitelist": True, "windows": []}
NOBODY = {"enabled": True, "whitelist": True, "ip_ranges": {"ranges": []}}


@pytest.mark.parametrize("closing", [{"time_access_control_policy": NEVER}, {"ip_access_control_policy": NOBODY}])
def test_the_end_of_a_window_stops_no_run(
    demo_cluster: Cluster, demo_api: Client, term: int, closing: dict[str, Any]
) -> None:
    run: UpgradeRun = ask(demo_cluster, "storage")
    assert demo_api.get("/v1/system/upgrade/list").status_code == 200
    update_settings(demo_cluster, {"access_control_policy": closing}, SYSTEM)
    assert demo_api.get("/v1/system/upgrade/list").status_code == 403
    driven = drive(run, term)
    assert (driven.state, driven.paused_by) == ("succeeded", ""), driven.message
    assert demo_api.get("/v1/system/upgrade/list").status_code == 403
