"""Backups at the admin's door: made, verified, restored, removed; by those who may."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster, Host
from sysmgr.accounts.models import Role
from tests.pages import LANGUAGES, enter, faults, refusals, said, url
from tests.upgrades.engine.drive import IP, ask, drive, root
from upgrades.models import Backup, UpgradeRun

pytestmark = pytest.mark.django_db(transaction=True)
NEW = "/admin/upgrades/backup/new/"
ACTS = ("verify", "restore", "remove")


@pytest.fixture
def backup(demo_cluster: Cluster, term: int) -> Backup:
    """The backup of an upgrade that succeeded."""
    assert drive(ask(demo_cluster, "storage", version="1.4.1"), term).state == "succeeded"
    return Backup.objects.get()


def act(client: Client, backup: Backup, name: str) -> Any:
    return client.post(url(Backup, name, backup.pk), follow=True)


def ask_backup(client: Client, cluster: Cluster, **form: str) -> Any:
    given = {"cluster": str(cluster.pk), "host_ip": IP, "service_type": "storage", **form}
    return client.post(NEW, given, follow=True)


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_for_each_role(backup: Backup, language: str) -> None:
    for role in (Role.ADMINISTRATOR, Role.OPERATOR):
        client = enter(role, language)
        for page in (NEW, *(url(Backup, name, backup.pk) for name in ACTS)):
            answer = client.get(page)
            assert (answer.status_code, faults(answer)) == (200, [])
        assert all(f"/{name}/" in client.get(url(Backup, "change", backup.pk)).content.decode() for name in ACTS)
    auditor = enter(Role.AUDITOR, language)
    assert not [n for n in ACTS if f"/{n}/" in auditor.get(url(Backup, "change", backup.pk)).content.decode()]
    for page in (NEW, *(url(Backup, name, backup.pk) for name in ACTS)):
        assert (auditor.get(page).status_code, auditor.post(page).status_code) == (403, 403)
    assert (UpgradeRun.objects.count(), Backup.objects.count()) == (1, 1)


def test_the_backups_of_a_host_are_listed(backup: Backup) -> None:
    listed = enter(Role.AUDITOR).get(url(Backup, "changelist"), {"q": IP}).context["cl"].result_list
    assert list(listed) == [backup]
    assert list(enter(Role.AUDITOR).get(url(Backup, "changelist"), {"q": "x"}).context["cl"].result_list) == []


def test_a_backup_is_made_on_demand(demo_cluster: Cluster, term: int) -> None:
    client = enter(Role.OPERATOR)
    begun = ask_backup(client, demo_cluster)
    run = UpgradeRun.objects.get(kind="backup")
    assert begun.redirect_chain == [(url(UpgradeRun, "change", run.pk), 302)]
    assert said(begun) == ["The backup has begun."]
    assert str(run.pk) in refusals(ask_backup(client, demo_cluster))
    assert drive(run, term).state == "succeeded" and Backup.objects.count() == 1
    chinese = enter(Role.OPERATOR, "zh-hans")
    assert refusals(ask_backup(chinese, demo_cluster, host_ip="192.0.2.77"))
    assert refusals(ask_backup(client, demo_cluster, host_ip=""))
    assert refusals(ask_backup(client, demo_cluster, service_type="x"))


def test_a_backup_is_verified_and_damage_is_told(backup: Backup) -> None:
    client = enter(Role.OPERATOR)
    assert said(act(client, backup, "verify")) == ["The backup is what was written."]
    backup.refresh_from_db()
    assert backup.verified_time is not None
    (root() / "backups" / backup.package_name).write_bytes(b"spoilt")
    assert "与写入时不一致" in refusals(act(enter(Role.OPERATOR, "zh-hans"), backup, "verify"))
    assert "digest or its size differs" in refusals(act(client, backup, "verify"))


def test_a_backup_is_restored_by_a_run(backup: Backup, term: int) -> None:
    client = enter(Role.OPERATOR)
    begun = act(client, backup, "restore")
    run = UpgradeRun.objects.get(kind="restore")
    assert begun.redirect_chain == [(url(UpgradeRun, "change", run.pk), 302)]
    assert refusals(act(client, backup, "restore"))
    assert drive(run, term).state == "succeeded"
    assert (root() / "storage" / "current").resolve().name == backup.version
    assert "already" in refusals(act(client, backup, "restore"))


def test_a_backup_is_removed_unless_it_is_the_way_back(backup: Backup, term: int) -> None:
    client = enter(Role.OPERATOR)
    assert refusals(act(client, backup, "remove"))
    made = ask_backup(client, backup.host.cluster)
    drive(UpgradeRun.objects.get(kind="backup"), term)
    assert made.status_code == 200
    newest = Backup.objects.exclude(pk=backup.pk).get()
    path = root() / "backups" / newest.package_name
    assert path.exists()
    gone = act(client, newest, "remove")
    assert (gone.redirect_chain[0][0], said(gone)) == (url(Backup, "changelist"), ["The backup is removed."])
    assert not path.exists() and list(Backup.objects.all()) == [backup]
    assert act(client, newest, "remove").redirect_chain[0][0] == "/admin/"


def test_a_host_that_cannot_be_asked_is_told(backup: Backup) -> None:
    Host.objects.filter(pk=backup.host_id).update(transport="ssh")
    assert refusals(act(enter(Role.OPERATOR), backup, "verify"))
