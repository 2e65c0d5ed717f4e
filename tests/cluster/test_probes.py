"""Gate and probes of a cluster at the API door: kept as they were sent, strictly checked, shown, audited."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster
from sysmgr.audit.models import AuditRow
from sysmgr.events.models import Event
from tests.cluster.calls import get, post, told
from tests.conftest import client_of

pytestmark = pytest.mark.django_db(transaction=True)
TCP = {"kind": "tcp", "port": 5432}
HTTP = {"kind": "http", "url": "https://{host_ip}:8443/health?full=1", "status": 204, "seconds": 9}
COMMAND = {"kind": "command", "name": "quorum.sh"}


def test_what_was_stored_is_shown_and_can_be_taken_away(api: Client, cluster: Cluster) -> None:
    shown = get(api, "cluster/inspect").json()["data"]
    assert list(shown) == ["cluster_uuid", "name", "default", "create_time", "gate", "probes"]
    assert (shown["gate"], shown["probes"]) == ({}, {})
    gate = {"kind": "tcp", "host": "db.example.com", "port": 5432}
    changed = post(api, "cluster/update", {"gate": gate, "probes": {"cloud": HTTP, "storage": TCP, "compute": None}})
    assert list(changed.json()["data"]) == ["cluster_uuid", "name", "default", "create_time"]
    shown = get(api, "cluster/inspect").json()["data"]
    assert (shown["gate"], shown["probes"]) == (gate, {"cloud": HTTP, "storage": TCP})
    post(api, "cluster/update", {"name": "west"})  # what is not named stays
    assert get(api, "cluster/inspect").json()["data"]["gate"] == gate
    assert post(api, "cluster/update", {"gate": None, "probes": {"cloud": {}, "storage": COMMAND}}).status_code == 200
    shown = get(api, "cluster/inspect").json()["data"]
    assert (shown["gate"], shown["probes"]) == ({}, {"storage": COMMAND})
    assert post(api, "cluster/update", {"gate": {}, "probes": {}}).status_code == 200
    assert get(api, "cluster/inspect").json()["data"]["probes"] == {}


def test_each_change_is_in_the_audit_once(api: Client, cluster: Cluster) -> None:
    before = AuditRow.objects.count()
    for _ in range(2):
        assert post(api, "cluster/update", {"gate": COMMAND}).status_code == 200
    newest = AuditRow.objects.order_by("-seq")[0]
    assert AuditRow.objects.count() == before + 1
    assert (newest.action, newest.changes) == ("cluster.update", [{"path": "gate", "from": {}, "to": COMMAND}])
    assert Event.objects.filter(kind="cluster.probes_changed", subject=cluster.pk).count() == 1


@pytest.mark.alike
@pytest.mark.parametrize(
    ("gate", "desc"),
    [
        ("tcp", "gate"),
        ([], "gate"),
        ({"port": 1}, "gate.kind"),
        ({"kind": "smoke"}, "gate.kind"),
        ({"kind": "tcp", "port": 1}, "gate.host"),
        ({"kind": "tcp", "host": "a b", "port": 1}, "gate.host"),
        ({"kind": "tcp", "host": "1.2.3", "port": 1}, "gate.host"),
        ({"kind": "tcp", "host": "a", "port": 0}, "gate.port"),
        ({"kind": "tcp", "host": "a", "port": "80"}, "gate.port"),
        ({"kind": "tcp", "host": "a", "port": 1, "url": "http://a"}, "gate.url"),
        ({"kind": "tcp", "host": "a", "port": 1, "seconds": 61}, "gate.seconds"),
        ({"kind": "http"}, "gate.url"),
        ({"kind": "http", "url": "http://{host_ip}/"}, "gate.url"),
        ({"kind": "http", "url": "http://a/", "status": 99}, "gate.status"),
        ({"kind": "http", "url": "http://a/", "host": "a"}, "gate.host"),
        ({"kind": "command", "name": "../sh"}, "gate.name"),
        ({"kind": "command", "name": ".hidden"}, "gate.name"),
        ({"kind": "command", "name": "a b"}, "gate.name"),
        ({"kind": "command", "name": "x" * 65}, "gate.name"),
        ({"kind": "command", "name": "a", "argv": ["b"]}, "gate.argv"),
    ],
)
def test_a_wrong_gate_is_refused_with_its_path(api: Client, cluster: Cluster, gate: Any, desc: str) -> None:
    audited = AuditRow.objects.count()
    assert told(post(api, "cluster/update", {"gate": gate})) == (400, 10001, desc)
    assert AuditRow.objects.count() == audited
    assert Cluster.objects.get(pk=cluster.pk).gate == {}


@pytest.mark.alike
@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/",
        "http://",
        "http:///x",
        "//a/",
        "http://user:pass@a/",
        "http://a@b/",
        "http://a/#x",
        "http://a b/",
        "http://a/\u00e4",
        "http://a:0/",
        "http://a:99999/",
        "http://[::1/",
        "http://1.2.3/",
        "http://{port}/",
        "http://a/\nHost: b",
        "http://a/" + "x" * 255,
    ],
)
def test_only_plain_urls_are_taken(api: Client, cluster: Cluster, url: str) -> None:
    answer = post(api, "cluster/update", {"probes": {"cloud": {"kind": "http", "url": url}}})
    assert told(answer) == (400, 10001, "probes.cloud.url")


@pytest.mark.parametrize(
    "url", ["http://{host_ip}", "https://[2001:db8::1]:8443/x", "http://a-b.example.com/?q={host_ip}"]
)
def test_urls_may_name_the_host(api: Client, cluster: Cluster, url: str) -> None:
    assert post(api, "cluster/update", {"probes": {"cloud": {"kind": "http", "url": url}}}).status_code == 200


def test_a_probe_is_of_a_service_that_there_is(api: Client, cluster: Cluster) -> None:
    assert told(post(api, "cluster/update", {"probes": {"network": TCP}})) == (400, 10001, "probes.network")
    assert told(post(api, "cluster/update", {"probes": {"cloud": {**TCP, "host": "a"}}})) == (
        400,
        10001,
        "probes.cloud.host",
    )


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_only_administrators_say_how_a_cluster_is_asked(api: Client, cluster: Cluster, role: str) -> None:
    client = client_of(role)
    assert post(client, "cluster/update", {"gate": COMMAND}).status_code == 403
    assert get(client, "cluster/inspect").json()["data"]["gate"] == {}
