"""Probing and repinning hosts, over a real sshd and in local folders."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster, Host, HostService
from sysmgr.audit.models import AuditRow
from sysmgr.events.models import Alert, Event
from tests import rows
from tests.cluster.calls import get, post, told
from tests.cluster.conftest import lay_out
from tests.sshd import SshHost
from upgrades.models import HostHold, UpgradeRun
from upgrades.transports.host_keys import fingerprint_of
from upgrades.transports.ssh_key import public_line

pytestmark = pytest.mark.django_db(transaction=True)
OTHER = "SHA256:" + "A" * 43


def versions() -> dict[str, tuple[str, bool]]:
    found = HostService.objects.values_list("service_type", "version", "unmanaged")
    return {service: (version, unmanaged) for service, version, unmanaged in found}


def probe(client: Client, host: SshHost, **more: Any) -> Any:
    return post(client, "host/probe", {"host_ip": host.host_ip, **more})


def test_nothing_is_run_until_the_fingerprint_is_accepted(led: Client, unpinned: SshHost) -> None:
    fingerprint = fingerprint_of(unpinned.host_key)
    shown = subprocess.run(
        ["ssh-keygen", "-lf", str(unpinned.folder / "host_key.pub")], capture_output=True, text=True, check=True
    )
    assert fingerprint in shown.stdout
    data = probe(led, unpinned).json()["data"]
    assert (data["pinned"], data["fingerprint"], data["host_key"], data["seen_time"]) == (False, fingerprint, "", None)
    assert told(probe(led, unpinned, accept_fingerprint=OTHER)) == (409, 4086, "")
    assert not (unpinned.root / ".sysmgr").exists()
    assert Host.objects.get().host_key == ""
    data = probe(led, unpinned, accept_fingerprint=fingerprint).json()["data"]
    assert (data["pinned"], data["fingerprint"], data["host_key"]) == (True, fingerprint, unpinned.host_key)
    assert data["seen_time"]
    assert versions() == {"storage": ("1.3", False), "compute": ("", True)}
    assert Event.objects.filter(kind="host.pin").count() == 1
    assert probe(led, unpinned).json()["data"]["pinned"] is True
    assert told(probe(led, unpinned, accept_fingerprint=OTHER)) == (409, 4086, "")
    results = list(AuditRow.objects.filter(action__startswith="host.p").order_by("seq").values_list("action", "result"))
    assert results == [
        ("host.probe", "not pinned"),
        ("host.pin", "success"),
        ("host.probe", "success"),
        ("host.probe", "success"),
    ]
    # What the host says shows at the documented endpoint, a service that nobody declared too.
    lay_out(unpinned.root, cloud="1.4")
    probe(led, unpinned)
    (listed,) = get(led, "upgrade_package/list").json()["data"]["list"]
    assert listed["type_version"] == {"cloud": "1.4", "compute": "", "storage": "1.3"}
    assert get(led, "host/list").json()["data"]["ssh_public_key"] == public_line()


def test_a_changed_key_stops_everything_until_it_is_repinned(led: Client, unpinned: SshHost) -> None:
    old = fingerprint_of(unpinned.host_key)
    probe(led, unpinned, accept_fingerprint=old)
    unpinned.stop()
    unpinned.new_key()
    unpinned.start()
    new = fingerprint_of(unpinned.host_key)
    agent = unpinned.root / ".sysmgr" / "agent"
    agent.unlink()
    refused = probe(led, unpinned)
    assert told(refused) == (409, 4085, "")
    assert old in refused.json()["message"] and new in refused.json()["message"]
    assert not agent.exists()
    alert = Alert.objects.get(close_time=None)
    assert alert.key == f"host.key_changed:{Host.objects.get().pk}" and new in alert.message
    body = {"host_ip": unpinned.host_ip, "fingerprint": old, "reason": "new machine"}
    assert told(post(led, "host/repin", body)) == (409, 4086, "")
    data = post(led, "host/repin", {**body, "fingerprint": new}).json()["data"]
    assert (data["pinned"], data["fingerprint"], data["host_key"]) == (True, new, unpinned.host_key)
    assert not agent.exists()  # pinning runs nothing
    assert not Alert.objects.filter(close_time=None).exists()
    row = AuditRow.objects.filter(action="host.repin").get()
    assert row.changes == [
        {"path": "fingerprint", "from": old, "to": new},
        {"path": "reason", "from": "", "to": "new machine"},
    ]
    assert probe(led, unpinned).json()["data"]["services"][1]["version"] == "1.3"
    run = UpgradeRun.objects.create(cluster=Cluster.objects.get())
    HostHold.objects.create(host=Host.objects.get(), run=run)
    assert told(post(led, "host/repin", {**body, "fingerprint": new})) == (409, 2008, "host_ip")
    assert told(probe(led, unpinned)) == (409, 2008, "host_ip")
    # A run that is paused may wait for this very key; what runs there is still its own matter.
    UpgradeRun.objects.update(state="paused", paused_by="precheck")
    Host.objects.update(host_key="")
    assert post(led, "host/repin", {**body, "fingerprint": new}).json()["data"]["host_key"] == unpinned.host_key
    assert told(probe(led, unpinned)) == (409, 2008, "host_ip")


def test_what_keeps_a_host_from_answering_is_named(led: Client, unpinned: SshHost) -> None:
    fingerprint = fingerprint_of(unpinned.host_key)
    keys = unpinned.folder / "authorized_keys"
    kept = keys.read_text()
    keys.write_text("")
    assert told(probe(led, unpinned, accept_fingerprint=fingerprint)) == (502, 4082, "")
    assert Host.objects.get().host_key == unpinned.host_key  # pinned, for it proved to own that key
    keys.write_text(kept)
    (unpinned.root / ".sysmgr").mkdir()
    (unpinned.root / ".sysmgr" / "fence").write_text("another-cluster 7\n")
    foreign = probe(led, unpinned)
    assert told(foreign) == (409, 4088, "") and "another-cluster" in foreign.json()["message"]
    assert Alert.objects.get(close_time=None).key.startswith("host.foreign_cluster:")
    unpinned.stop()
    assert told(probe(led, unpinned)) == (502, 4043, "")
    Host.objects.update(host_key="")
    assert told(probe(led, unpinned)) == (502, 4043, "")


def test_a_local_host_has_no_key(led: Client, cluster: Cluster, roots: Path) -> None:
    root = lay_out(roots / "a", cloud="1.0")
    host = Host.objects.create(cluster=cluster, host_ip="192.0.2.1", transport="local", root=str(root))
    HostService.objects.create(host=host, service_type="storage", version="9.9")
    data = post(led, "host/probe", {"host_ip": "192.0.2.1"}).json()["data"]
    assert (data["pinned"], data["fingerprint"]) == (True, "")
    assert versions() == {"cloud": ("1.0", False), "storage": ("", True)}
    body = {"host_ip": "192.0.2.1", "fingerprint": OTHER, "reason": "x"}
    assert told(post(led, "host/repin", body)) == (400, 10001, "host_ip")


@pytest.mark.alike
@pytest.mark.parametrize(
    ("path", "body", "desc"),
    [
        ("probe", {}, "host_ip"),
        ("probe", {"accept_fingerprint": "SHA256:x"}, "accept_fingerprint"),
        ("probe", {"accept_fingerprint": None}, "accept_fingerprint"),
        ("probe", {"more": 1}, "more"),
        ("repin", {"fingerprint": "MD5:aa", "reason": "x"}, "fingerprint"),
        ("repin", {"fingerprint": OTHER}, "reason"),
        ("repin", {"fingerprint": OTHER, "reason": ""}, "reason"),
    ],
)
def test_wrong_input(led: Client, cluster: Cluster, path: str, body: dict[str, Any], desc: str) -> None:
    given = {"host_ip": "192.0.2.1", **body} if desc != "host_ip" else body
    rows.host(cluster, 1)
    assert told(post(led, f"host/{path}", given)) == (400, 10001, desc)
    assert told(post(led, "host/probe", {"host_ip": "192.0.2.9"})) == (404, 2002, "host_ip")
