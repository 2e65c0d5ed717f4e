"""A host that is removed while somebody asks for its upgrade: one of the two wins, the other says why."""

from __future__ import annotations

import pytest
from django.test import Client

from cluster.models import Host
from tests.cluster.calls import post
from tests.together import at_once
from upgrades.models import HostHold, UpgradeRun

pytestmark = pytest.mark.django_db(transaction=True)
IPS = ("10.30.12.161", "10.30.12.165", "10.30.12.55")


@pytest.mark.parametrize("ip", IPS)
def test_a_host_is_removed_or_upgraded_never_both(demo_api: Client, ip: str) -> None:
    service = "cloud" if ip.endswith(".161") else "storage"
    item = {"list": [{"host_ip": ip, "service_type": service}]}
    upgrade = [lambda: post(demo_api, "compute/version/upgrade", item)] * 4
    remove = [lambda: post(demo_api, "host/remove", {"host_ip": ip})] * 4
    answers = at_once([call for pair in zip(upgrade, remove, strict=True) for call in pair])
    upgrades, removals = [a.status_code for a in answers[::2]], [a.status_code for a in answers[1::2]]
    assert upgrades.count(200) + removals.count(200) == 1, (upgrades, removals)
    if 200 in upgrades:
        assert sorted(upgrades) == [200, 409, 409, 409] and set(removals) == {409}
        assert HostHold.objects.get().host.host_ip == ip
    else:
        assert set(upgrades) == {400} and sorted(removals) == [200, 404, 404, 404]
        assert not UpgradeRun.objects.exists()
        assert not Host.objects.filter(host_ip=ip).exists()


def test_settings_and_upgrades_never_wait_for_each_other_in_a_circle(demo_api: Client) -> None:
    pairs = [("10.30.12.161", "cloud"), ("10.30.12.165", "storage"), ("10.30.12.55", "storage")]
    upgrades = [
        lambda ip=ip, service=service: post(
            demo_api, "compute/version/upgrade", {"list": [{"host_ip": ip, "service_type": service}]}
        )
        for ip, service in pairs
    ]
    changes = [lambda n=n: post(demo_api, "setting/update", {"storage_setting": {"hop_hc": n}}) for n in range(1, 6)]
    assert {answer.status_code for answer in at_once([*upgrades, *changes])} == {200}
    assert UpgradeRun.objects.count() == 3
