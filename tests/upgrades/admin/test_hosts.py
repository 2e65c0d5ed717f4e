"""Hosts at the admin's door: shown with all that is known, probed, adopted, held out, imported; by those who may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from cluster.models import Cluster, Host
from sysmgr.accounts.models import Role
from sysmgr.audit.models import AuditRow
from tests.pages import LANGUAGES, enter, faults, refusals, said, url
from upgrades.models import HostHold, UpgradeRun

pytestmark = pytest.mark.django_db(transaction=True)
IMPORT = "/admin/cluster/host/import/"
IP = "10.30.12.55"


@pytest.fixture
def host(demo_cluster: Cluster, term: int) -> Host:
    """A host of the demo with one service that somebody else installed."""
    found = Host.objects.get(host_ip=IP)
    found.services.filter(service_type="cloud").delete()
    found.services.create(service_type="cloud", unmanaged=True, catch_up="1.5")
    return found


def act(client: Client, host: Host, name: str, **form: str) -> Any:
    return client.post(url(Host, name, host.pk), form, follow=True)


def file(text: str) -> dict[str, Any]:
    return {"cluster": str(Cluster.objects.get().pk), "file": SimpleUploadedFile("hosts.csv", text.encode())}


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_show_all_and_each_act_asks_first(host: Host, language: str) -> None:
    client = enter(Role.OPERATOR, language)
    Host.objects.update(labels=["rack <1>"], maintenance=True, maintenance_reason="new & disk", host_key="x y")
    page = client.get(url(Host, "change", host.pk))
    text = page.content.decode()
    assert faults(page) == [] and "new &amp; disk" in text and "1.5" in text and "rack &lt;1&gt;" in text
    assert faults(client.get(url(Host, "changelist"))) == []
    assert [offer["link"].split("/")[-2] for offer in page.context["acts"]] == ["probe", "take_back", "adopt"]
    Host.objects.update(maintenance=False, maintenance_reason="", transport="ssh")
    page = client.get(url(Host, "change", host.pk))
    assert [offer["link"].split("/")[-2] for offer in page.context["acts"]] == ["probe", "repin", "hold_out", "adopt"]
    for name in ("probe", "repin", "hold_out", "take_back", "adopt"):
        page = client.get(url(Host, name, host.pk))
        assert (page.status_code, faults(page)) == (200, []), name
    assert faults(client.get(IMPORT)) == []
    assert not AuditRow.objects.filter(door="admin").exclude(action="login").exists()
    auditor = enter(Role.AUDITOR)
    assert auditor.get(url(Host, "change", host.pk)).context["acts"] == []
    for page_of in (url(Host, "probe", host.pk), url(Host, "adopt", host.pk), IMPORT):
        assert auditor.post(page_of, {}).status_code == 403


def test_maintenance_begins_and_ends(host: Host) -> None:
    client = enter(Role.ADMINISTRATOR)
    assert refusals(act(client, host, "hold_out", maintenance_reason=""))
    act(client, host, "hold_out", maintenance_reason="new disk")
    host.refresh_from_db()
    assert (host.maintenance, host.maintenance_reason) == (True, "new disk")
    act(client, host, "take_back")
    host.refresh_from_db()
    assert (host.maintenance, host.maintenance_reason) == (False, "")
    assert AuditRow.objects.filter(door="admin", action="host.update").count() == 2


def test_a_host_is_probed_and_a_service_adopted(host: Host, tmp_path: Path) -> None:
    client = enter(Role.ADMINISTRATOR)
    assert "versions are read" in said(act(client, host, "probe", accept_fingerprint=""))[0]
    assert "SHA256" in refusals(act(client, host, "probe", accept_fingerprint="nonsense"))
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "run").write_text("x")
    form = {"service_type": "cloud", "source_path": str(tmp_path / "opt"), "version": "1.4"}
    assert "Nothing was copied" in said(act(client, host, "adopt", **form, dry_run="on"))[0]
    done = said(act(client, host, "adopt", **form))
    assert "adopted" in done[0] and str(tmp_path / "opt") in done[1]
    assert host.services.get(service_type="cloud").version == "1.4"
    assert "managed" in refusals(act(client, host, "adopt", **form))
    HostHold.objects.create(host=host, run=UpgradeRun.objects.create(cluster=host.cluster))
    assert IP in refusals(act(client, host, "probe", accept_fingerprint=""))
    held = UpgradeRun.objects.get()
    assert f'href="{url(UpgradeRun, "change", held.pk)}"' in client.get(url(Host, "change", host.pk)).content.decode()


def test_a_file_is_imported(host: Host) -> None:
    client = enter(Role.ADMINISTRATOR)
    good = "host_ip,transport,root,services\n192.0.2.1,ssh,/srv/x,cloud;compute\n"
    dry = client.post(IMPORT, {**file(good), "dry_run": "on"}, follow=True)
    assert said(dry) == ["1 new, 0 changed, 0 unchanged, 0 refused. Nothing was stored."]
    bad = good + "nonsense,ssh,/srv/x,cloud\n"
    assert "row 2" in refusals(client.post(IMPORT, file(bad), follow=True))
    told = said(client.post(IMPORT, {**file(bad), "dry_run": "on"}, follow=True))
    assert len(told) == 2 and told[1].startswith("2: nonsense:")
    assert not Host.objects.filter(host_ip="192.0.2.1").exists()
    client.post(IMPORT, file(good))
    assert Host.objects.get(host_ip="192.0.2.1").services.count() == 2
    for wrong in ("", "{", "[]", "a,b\n1,2\n", "host_ip\n\x07\n"):
        assert refusals(client.post(IMPORT, file(wrong) if wrong else {"cluster": file("")["cluster"]}))
    whole = {**file(""), "file": SimpleUploadedFile("x", b"\xff\xfe")}
    assert refusals(client.post(IMPORT, whole))
