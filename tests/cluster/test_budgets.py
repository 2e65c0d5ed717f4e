"""What the reads of clusters and hosts cost in queries, at 1 host and at 1,000."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cluster.models import Cluster, Host, HostService
from tests.cluster.calls import get

BUDGETS = {
    "cluster/list": 3,  # gate · count · page
    "cluster/inspect": 2,  # gate · cluster
    "host/list?page_size=1000": 5,  # gate · page · services · holds · count
    "host/list?page_size=1000&label=all": 6,  # gate · labels · page · services · holds · count
    "host/inspect?host_ip=10.0.0.0": 4,  # gate · host · services · hold
}


@pytest.fixture(params=[1, 1000])
def hosts(request: pytest.FixtureRequest, cluster: Cluster) -> int:
    """So many hosts with three services each."""
    made = Host.objects.bulk_create(
        Host(cluster=cluster, host_ip=f"10.0.{n // 250}.{n % 250}", root="/srv", labels=["all"])
        for n in range(request.param)
    )
    HostService.objects.bulk_create(
        HostService(host=host, service_type=service, version="1.3")
        for host in made
        for service in ("cloud", "compute", "storage")
    )
    count: int = request.param
    return count


@pytest.mark.parametrize("path", BUDGETS)
def test_a_read_stays_within_its_budget(api: Client, hosts: int, path: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        answer = get(api, path)
    assert answer.status_code == 200, answer.content
    assert len(queries) <= BUDGETS[path], [query["sql"][:90] for query in queries]
    if path.startswith("host/list"):
        assert len(answer.json()["data"]["list"]) == hosts
