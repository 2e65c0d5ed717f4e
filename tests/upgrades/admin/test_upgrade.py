"""An upgrade at the admin's door: chosen, planned, confirmed as it was shown; by those who may."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cluster.leader import Lease
from cluster.models import Cluster, Host, HostService, LeaderLease
from sysmgr.accounts.models import Role
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from tests.pages import LANGUAGES, enter, faults, refusals, said, url
from tests.upgrades.engine.drive import IP
from upgrades import store_services
from upgrades.models import UpgradeItem, UpgradePackage, UpgradeRun

NEW = "/admin/upgrades/upgraderun/new/"
STORAGE = f"{IP} storage"


@pytest.fixture
def lead(demo_cluster: Cluster) -> Cluster:
    """The demo, with somebody who leads."""
    assert Lease("127.0.0.1").acquire()
    return demo_cluster


def plan(client: Client, *items: str, **form: str) -> Any:
    return client.post(NEW, {"items": list(items), **form})


def confirm(client: Client, shown: Any, *items: str, **form: str) -> Any:
    fingerprint = shown.context["plan"]["fingerprint"]
    assert f'name="plan_fingerprint" value="{fingerprint}"' in shown.content.decode()
    return client.post(NEW, {"items": list(items), "plan_fingerprint": fingerprint, **form}, follow=True)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.OPERATOR])
def test_choose_plan_and_begin(lead: Cluster, role: str, language: str) -> None:
    client = enter(role, language)
    page = client.get(NEW)
    assert faults(page) == [] and f'value="{STORAGE}"' in page.content.decode()
    shown = plan(client, STORAGE, reason="new disks", max_parallel="3")
    assert faults(shown) == [] and UpgradeRun.objects.count() == 0
    assert "1.5" in shown.content.decode() and STORAGE in shown.content.decode()
    begun = confirm(client, shown, STORAGE, reason="new disks", max_parallel="3")
    run = UpgradeRun.objects.get()
    assert begun.redirect_chain == [(url(UpgradeRun, "change", run.pk), 302)]
    assert faults(begun) == []
    assert (run.author, run.reason, run.options["max_parallel"]) == (f"the-{role}", "new disks", 3)
    item = UpgradeItem.objects.get()
    assert (item.host_ip, item.service_type, item.to_version) == (IP, "storage", "1.5")
    row = AuditRow.objects.get(action="upgrade.request")
    assert (row.door, row.user_name) == ("admin", f"the-{role}")


def test_an_older_version_can_be_chosen(lead: Cluster) -> None:
    client = enter(Role.OPERATOR)
    confirm(client, plan(client, STORAGE, version="1.4.1"), STORAGE, version="1.4.1")
    assert UpgradeItem.objects.get().to_version == "1.4.1"
    assert "valid choice" in refusals(plan(client, STORAGE, version="9.9"))


def test_auditors_begin_nothing(lead: Cluster) -> None:
    client = enter(Role.AUDITOR)
    assert client.get(NEW).status_code == 403
    assert plan(client, STORAGE).status_code == 403
    assert client.post(NEW, {"items": [STORAGE], "plan_fingerprint": "x"}).status_code == 403
    assert "/new/" not in client.get(url(UpgradeRun, "changelist")).content.decode()
    assert UpgradeRun.objects.count() == 0


@pytest.mark.alike
@pytest.mark.parametrize(
    ("items", "form", "text"),
    [
        ([], {}, "Choose at least one"),
        (["192.0.2.77 storage"], {}, "is no host of the cluster"),
        ([f"{IP} nothing"], {}, "Must be cloud, compute or storage"),
        (["nonsense"], {}, "may not be blank"),
        ([STORAGE], {"max_parallel": "0"}, "1"),
        ([STORAGE], {"max_parallel": "x"}, "whole number"),
        ([STORAGE], {"fail_percent": "101"}, "100"),
        ([STORAGE], {"reason": "a\x1fb"}, "control characters"),
    ],
)
def test_a_wrong_choice_is_told(lead: Cluster, items: list[str], form: dict[str, str], text: str) -> None:
    assert text in refusals(plan(enter(Role.OPERATOR), *items, **form))
    assert UpgradeRun.objects.count() == 0


def test_refusals_speak_the_language_of_the_page(lead: Cluster) -> None:
    assert "不是该集群的主机" in refusals(plan(enter(Role.OPERATOR, "zh-hans"), "192.0.2.77 storage"))


def test_the_same_confirmed_twice_begins_once(lead: Cluster) -> None:
    client = enter(Role.OPERATOR)
    shown = plan(client, STORAGE)
    confirm(client, shown, STORAGE)
    again = confirm(client, shown, STORAGE)
    assert str(UpgradeRun.objects.get().pk) in refusals(again)


def test_a_plan_that_is_no_longer_true_is_shown_anew(lead: Cluster) -> None:
    client = enter(Role.OPERATOR)
    shown = plan(client, STORAGE)
    package = UpgradePackage.objects.get(version="1.5")
    store_services.withdraw(lead, package.package_name, "broken", SYSTEM)
    answer = confirm(client, shown, STORAGE)
    assert UpgradeRun.objects.count() == 0
    assert refusals(answer) and answer.context["plan"]["order"][0]["to_version"] == "1.4.1"
    confirm(client, answer, STORAGE)
    assert UpgradeItem.objects.get().to_version == "1.4.1"


def test_a_choice_can_be_changed_after_the_plan(lead: Cluster) -> None:
    client = enter(Role.OPERATOR)
    back = plan(client, STORAGE, again="1", reason="why")
    text = back.content.decode()
    assert f'value="{STORAGE}" checked' in text and 'value="why"' in text
    assert UpgradeRun.objects.count() == 0


def test_without_a_leader_nothing_begins(lead: Cluster) -> None:
    client = enter(Role.OPERATOR, "zh-hans")
    shown = plan(client, STORAGE)
    LeaderLease.objects.update(expires_at=None, holder=None)
    assert "当前没有管理节点担任主节点" in refusals(confirm(client, shown, STORAGE))
    assert UpgradeRun.objects.count() == 0


def test_without_a_cluster_the_page_says_so(db: None) -> None:
    answer = enter(Role.OPERATOR).get(NEW, follow=True)
    assert said(answer) == ["There is no cluster yet."]


def test_hosts_are_found_by_address_and_another_cluster_can_be_chosen(lead: Cluster) -> None:
    other = Cluster.objects.create(name="other")
    host = Host.objects.create(cluster=other, host_ip="192.0.2.5", root="/srv/x")
    HostService.objects.create(host=host, service_type="cloud", version="1.0")
    client = enter(Role.OPERATOR)
    assert [h["host_ip"] for h in client.get(NEW, {"name": IP}).context["found"]["hosts"]] == [IP]
    assert client.get(NEW, {"name": "no such"}).context["found"]["hosts"] == []
    found = client.get(NEW, {"cluster": str(other.pk)}).context["found"]["hosts"]
    assert [h["host_ip"] for h in found] == ["192.0.2.5"]
    assert client.get(NEW, {"cluster": "x", "name": "\x00"}).status_code == 200


def test_the_page_costs_the_same_at_a_thousand_hosts(lead: Cluster) -> None:
    client = enter(Role.OPERATOR)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(NEW).status_code == 200
        return len(queries)

    few = cost()
    made = Host.objects.bulk_create(
        Host(cluster=lead, host_ip=f"10.99.{n // 250}.{n % 250}", root="/srv/x") for n in range(1000)
    )
    HostService.objects.bulk_create(HostService(host=host, service_type="compute", version="1.0") for host in made)
    page = client.get(NEW)
    assert (
        cost() == few <= 9
    )  # policy (the gate) · session · user · cluster (twice) · versions · count · hosts · services
    assert len(page.context["found"]["hosts"]) == 100
    assert "903 more hosts are not shown" in page.content.decode()


def test_the_options_of_a_roll_go_with_the_request(lead: Cluster) -> None:
    client = enter(Role.OPERATOR)
    form = {
        "canary": "0",
        "soak_seconds": "5",
        "on_threshold": "rollback",
        "not_before": "2099-01-31 22:00",
        "not_after": "2099-01-31 23:00",
    }
    confirm(client, plan(client, STORAGE, **form), STORAGE, **form)
    options = UpgradeRun.objects.get().options
    assert (options["canary"], options["soak_seconds"], options["on_threshold"]) == (0, 5, "rollback")
    assert (options["not_before"], options["not_after"]) == (4073580000, 4073583600)
    for wrong, text in (("2020-01-31 22:00", "over already"), ("soon", "valid date")):
        assert text in refusals(plan(client, STORAGE, not_after=wrong))
