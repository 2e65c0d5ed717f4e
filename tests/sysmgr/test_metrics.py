"""`/metrics`: what it shows, to whom, in how many queries, and that it does not grow with the hosts."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from cluster.leader import Lease
from cluster.models import Cluster, Host, HostService
from sysmgr.accounts.models import User
from tests import rows
from tests.conftest import client_of

pytestmark = pytest.mark.django_db(transaction=True)
# gate · clusters · hosts · held · services · runs · items · packages · backups · database time (PostgreSQL) · lease ·
# members · outbox · alerts
BUDGET = 14


def shown(client: Client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(answer.content.decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(client: Client, name: str, **labels: str) -> float | None:
    return shown(client).get((f"sysmgr_{name}", frozenset(labels.items())))


def test_it_counts_what_is_there(api: Client, cluster: Cluster) -> None:
    rows.one_of_each(cluster)
    found = shown(api)

    def of(name: str, **labels: str) -> float | None:
        return found.get((f"sysmgr_{name}", frozenset(labels.items())))

    assert of("cluster", cluster="demo", default="true", demo="true") == 1
    assert of("hosts", cluster="demo", transport="ssh") == 1
    assert of("hosts_held", cluster="demo") == 1
    assert of("host_services", cluster="demo", service_type="cloud", version="1.0") == 1
    assert (of("runs", kind="upgrade", state="pending"), of("runs", kind="restore", state="failed")) == (1, 0)
    assert (of("run_items", state="pending"), of("run_items", state="failed")) == (1, 0)
    assert (of("packages", cluster="demo"), of("packages_bytes", cluster="demo")) == (1, 1)
    assert of("packages_withdrawn", cluster="demo") == 0
    assert (of("leader"), of("members_alive")) == (0, 1)
    assert of("outbox_mails", state="failed") is not None
    assert of("alerts_open", severity="error") == 0
    assert any(name == "sysmgr_build_info" for name, _ in found)


def test_it_tells_who_leads_and_how_many_live(api: Client, cluster: Cluster) -> None:
    lease = Lease("192.0.2.1")
    lease.heartbeat()
    assert lease.acquire()
    assert (value(api, "leader"), value(api, "members_alive"), value(api, "leader_term")) == (1, 1, lease.term)
    lease.release()
    assert (value(api, "leader"), value(api, "leader_term")) == (0, 1)


@pytest.mark.parametrize("hosts", [1, 1000])
def test_neither_queries_nor_lines_grow_with_the_hosts(api: Client, cluster: Cluster, hosts: int) -> None:
    made = Host.objects.bulk_create(
        Host(cluster=cluster, host_ip=f"10.0.{n // 250}.{n % 250}", root="/srv") for n in range(hosts)
    )
    # Each runs a version of its own: the worst that can happen.
    HostService.objects.bulk_create(
        HostService(host=host, service_type="compute", version=f"1.{n}") for n, host in enumerate(made)
    )
    with CaptureQueriesContext(connection) as queries:
        found = shown(api)
    assert len(queries) <= BUDGET, [query["sql"][:90] for query in queries]
    services = {labels: number for (name, labels), number in found.items() if name == "sysmgr_host_services"}
    assert len(services) <= 21
    assert sum(services.values()) == hosts
    assert len(found) < 120


@pytest.mark.parametrize("role", ["administrator", "operator", "auditor"])
def test_every_role_may_look_with_a_token(cluster: Cluster, role: str) -> None:
    assert client_of(role).get("/metrics").status_code == 200


def test_nobody_else_may(api: Client, cluster: Cluster) -> None:
    for client in (Client(), Client(headers={"Authorization": "Bearer wrong"}), Client(headers={"Authorization": "x"})):
        answer = client.get("/metrics")
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
        assert b"sysmgr_" not in answer.content
    assert api.post("/metrics").status_code == 405
    assert api.head("/metrics").status_code == 200


def test_an_admin_session_may(cluster: Cluster) -> None:
    user = User.objects.create_user("somebody", "a-long-password", role="auditor")
    client = Client()
    client.force_login(user)
    assert client.get("/metrics").status_code == 200
    User.objects.update(is_active=False)
    assert client.get("/metrics").status_code == 401


def test_without_the_database_it_says_so(api: Client, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> bytes:
        raise DatabaseError("gone: password=sesame")

    monkeypatch.setattr("sysmgr.management.metrics.scrape", away)
    answer = api.get("/metrics")
    assert answer.status_code == 503
    assert b"sesame" not in answer.content
