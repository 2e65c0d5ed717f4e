"""Importing hosts: every row as strict as host/create, all or none, dry runs, and what a thousand rows cost."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cluster.models import Cluster, Host, HostService
from sysmgr.audit.models import AuditRow
from sysmgr.events.models import Event
from tests import rows
from tests.cluster.calls import get, post, told
from tests.cluster.conftest import lay_out
from tests.conftest import client_of
from upgrades.models import HostHold, UpgradeRun

pytestmark = pytest.mark.django_db(transaction=True)
HEADER = "host_ip,transport,root,services,labels,ssh_port,ssh_user,ssh_sudo,host_key"


def ssh(place: int, **more: Any) -> dict[str, Any]:
    ip = f"10.1.{place // 250}.{place % 250 + 1}"
    return {"host_ip": ip, "transport": "ssh", "root": "/srv/sysmgr", "services": ["compute"], **more}


def outcomes(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["outcome"] for row in answer.json()["data"]["list"]]


def test_a_file_becomes_hosts_and_the_same_again_changes_nothing(api: Client, roots: Path) -> None:
    lay_out(roots / "a", storage="1.3")
    lines = [
        HEADER,
        f"192.0.2.1,local,{roots / 'a'},storage;cloud,rack 1;rack 2,,,,",
        "",
        '2001:db8::1,ssh,/srv/x,compute,"a, b",2222,deploy,true,',
    ]
    answer = post(api, "host/import", {"csv": lines})
    assert outcomes(answer) == ["created", "created"]
    data = answer.json()["data"]
    assert (data["stored"], data["created"], data["refused"]) == (True, 2, 0)
    first = get(api, "host/inspect?host_ip=192.0.2.1").json()["data"]
    assert first["labels"] == ["rack 1", "rack 2"]
    assert [(s["service_type"], s["version"], s["unmanaged"]) for s in first["services"]] == [
        ("cloud", "", True),
        ("storage", "1.3", False),
    ]
    second = get(api, "host/inspect?host_ip=2001:db8::1").json()["data"]
    assert (second["ssh_port"], second["ssh_user"], second["ssh_sudo"], second["labels"]) == (
        2222,
        "deploy",
        True,
        ["a, b"],
    )
    assert Event.objects.filter(kind="host.imported").count() == 1
    again = post(api, "host/import", {"csv": [f"\ufeff{HEADER}", *lines[1:]]})  # as a spreadsheet saves it
    assert outcomes(again) == ["unchanged", "unchanged"]
    assert again.json()["data"]["stored"] is False
    assert Event.objects.filter(kind="host.imported").count() == 1


def test_a_row_changes_what_it_names(api: Client, cluster: Cluster) -> None:
    post(api, "host/import", {"list": [ssh(0, labels=["old"], ssh_user="deploy"), ssh(1)]})
    change = {"host_ip": "10.1.0.1", "labels": ["new"], "services": ["cloud", "compute"]}
    assert outcomes(post(api, "host/import", {"list": [change, ssh(1)]})) == ["updated", "unchanged"]
    host = get(api, "host/inspect?host_ip=10.1.0.1").json()["data"]
    assert (host["labels"], host["ssh_user"]) == (["new"], "deploy")
    assert [row["service_type"] for row in host["services"]] == ["cloud", "compute"]
    row = AuditRow.objects.order_by("-seq")[0]
    assert (row.action, [c["path"] for c in row.changes]) == (
        "host.import",
        ["10.1.0.1.labels", "10.1.0.1.services"],
    )
    gone = {"host_ip": "10.1.0.1", "services": ["cloud"]}
    assert outcomes(post(api, "host/import", {"list": [gone]})) == ["updated"]
    assert list(HostService.objects.filter(host__host_ip="10.1.0.1").values_list("service_type", flat=True)) == [
        "cloud"
    ]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"host_ip": "host.example"}, "host_ip"),
    ({"transport": "telnet"}, "transport"),
    ({"services": []}, "services"),
    ({"root": "srv"}, "root"),
    ({"ssh_port": 0}, "ssh_port"),
    ({"more": 1}, "more"),
    ({"cluster_uuid": "00000000-0000-4000-8000-000000000000"}, "cluster_uuid"),
    ({"ssh_sudo": "true"}, "ssh_sudo"),
]


def test_a_bad_row_refuses_all_or_with_partial_itself(api: Client, cluster: Cluster) -> None:
    bad = [ssh(n, **change) for n, (change, _) in enumerate(BAD)]
    body = {"list": [ssh(100), *bad, ssh(100), "x"]}
    dry = post(api, "host/import", {**body, "dry_run": True})
    assert outcomes(dry) == ["created", *["refused"] * (len(BAD) + 2)]
    for (_, key), row in zip(BAD, dry.json()["data"]["list"][1:], strict=False):
        assert key in row["message"] and row["message_cn"]
    refused = post(api, "host/import", body)
    assert refused.status_code == 400 and refused.json()["desc"].startswith("list[1]; list[2]")
    assert not Host.objects.exists()
    assert not AuditRow.objects.filter(action="host.import").exists()
    partial = post(api, "host/import", {**body, "partial": True})
    assert outcomes(partial) == outcomes(dry)
    assert list(Host.objects.values_list("host_ip", flat=True)) == ["10.1.0.101"]


@pytest.mark.alike
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"list": []},
        {"csv": []},
        {"list": [{}], "csv": [HEADER]},
        {"list": {}},
        {"csv": ["host,transport"]},
        {"csv": ["host_ip,host_ip"]},
        {"csv": ["transport,root"]},
        {"csv": [HEADER, '"10.0.0.1']},
        {"list": [{}], "dry": True},
        {"list": [{}], "dry_run": 1},
    ],
)
def test_wrong_input(api: Client, cluster: Cluster, body: dict[str, Any]) -> None:
    assert post(api, "host/import", body).status_code == 400
    assert not Host.objects.exists()


def test_folders_are_shared_neither_with_others_nor_within_a_file(api: Client, roots: Path) -> None:
    for name in ("a", "b", "c"):
        lay_out(roots / name, cloud="1.0")
    (roots / "a" / "deep").mkdir()

    def local(ip: str, root: str) -> dict[str, Any]:
        return {"host_ip": ip, "transport": "local", "root": str(roots / root), "services": ["cloud"]}

    assert outcomes(post(api, "host/import", {"list": [local("192.0.2.1", "a")]})) == ["created"]
    given = [local("192.0.2.2", "a"), local("192.0.2.3", "a/deep"), local("192.0.2.4", "b"), local("192.0.2.5", "b")]
    answer = post(api, "host/import", {"list": given, "partial": True})
    assert outcomes(answer) == ["refused", "refused", "created", "refused"]
    assert "192.0.2.4" in answer.json()["data"]["list"][3]["message"]
    # One moves away, the next moves in, in one file.
    moves = [local("192.0.2.1", "c"), local("192.0.2.4", "a")]
    assert outcomes(post(api, "host/import", {"list": moves})) == ["updated", "updated"]
    assert Host.objects.get(host_ip="192.0.2.4").root == str(roots / "a")


def test_a_held_host_is_refused_and_roles_hold(api: Client, cluster: Cluster) -> None:
    host = rows.host(cluster, 1)
    HostHold.objects.create(host=host, run=UpgradeRun.objects.create(cluster=cluster))
    change = {"list": [{"host_ip": "192.0.2.1", "labels": ["x"]}], "partial": True}
    assert outcomes(post(api, "host/import", change)) == ["refused"]
    assert outcomes(post(api, "host/import", {"list": [{"host_ip": "192.0.2.1"}]})) == ["unchanged"]
    assert outcomes(post(client_of("operator"), "host/import", {"list": [ssh(1)]})) == ["created"]
    assert post(client_of("auditor"), "host/import", {"list": [ssh(2)]}).status_code == 403
    assert told(post(api, "host/import", {"list": [ssh(2)], "cluster_uuid": "x"}))[0] == 400


@pytest.mark.parametrize("number", [1, 1000])
def test_what_an_import_costs(api: Client, cluster: Cluster, number: int) -> None:
    body = {"list": [ssh(n) for n in range(number)]}
    begun = time.process_time()
    with CaptureQueriesContext(connection) as queries:
        assert post(api, "host/import", body).json()["data"]["created"] == number
    # gate · [lock] · cluster · hosts · folders · savepoints · event · audit; hosts and services in so many portions
    assert len(queries) <= 20 + 30 * (number > 1), [query["sql"][:80] for query in queries]
    with CaptureQueriesContext(connection) as queries:
        changed = {"list": [{"host_ip": row["host_ip"], "labels": ["x"]} for row in body["list"]]}
        assert post(api, "host/import", changed).json()["data"]["updated"] == number
    assert len(queries) <= 20 + 40 * (number > 1), [query["sql"][:80] for query in queries]
    with CaptureQueriesContext(connection) as queries:
        body["list"] = [{**row, "labels": ["x"]} for row in body["list"]]
        assert post(api, "host/import", {**body, "dry_run": True}).json()["data"]["unchanged"] == number
    # gate · cluster (2) · hosts · services · holds · folders · savepoints
    assert len(queries) <= 12, [query["sql"][:80] for query in queries]
    assert time.process_time() - begun < 60
