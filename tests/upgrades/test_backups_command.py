"""`manage.py backups`: what lies on the hosts, by host and service."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cluster.models import Cluster, Host
from upgrades.models import Backup


@pytest.fixture(autouse=True)
def hosts(cluster: Cluster) -> list[Host]:
    """Two hosts with a backup of each of two services, and one that is still being written."""
    other = Cluster.objects.create(name="other")
    made = [Host.objects.create(cluster=cluster, host_ip=f"192.0.2.{n}", root="/srv") for n in (1, 2)]
    foreign = Host.objects.create(cluster=other, host_ip="192.0.2.1", root="/srv")
    for host in (*made, foreign):
        for place, service in enumerate(("storage", "compute")):
            time = datetime(2026, 1, 1, 0, place, tzinfo=UTC)
            name = f"backup_1.3_20260101_000{place}.tar.gz"
            facts = {"service_type": service, "package_name": name, "version": "1.3", "begin_time": time}
            Backup.objects.create(host=host, size=7, update_time=time, **facts)
    Backup.objects.create(
        host=made[0],
        service_type="cloud",
        package_name="backup_9",
        version="9",
        begin_time=datetime(2026, 2, 1, tzinfo=UTC),
    )
    return made


def backups(*words: str) -> str:
    out = StringIO()
    call_command("backups", *words, stdout=out)
    return out.getvalue()


def listed(*words: str) -> list[tuple[Any, ...]]:
    return [(row["host_ip"], row["service_type"]) for row in json.loads(backups(*words, "--json"))["list"]]


def test_all_of_the_cluster_by_host_and_age() -> None:
    both = [("192.0.2.1", "storage"), ("192.0.2.1", "compute"), ("192.0.2.2", "storage"), ("192.0.2.2", "compute")]
    with CaptureQueriesContext(connection) as queries:
        assert listed() == both
    assert len(queries) == 2  # cluster · backups
    assert listed("--host", "192.0.2.2") == both[2:]
    assert listed("--service", "compute") == both[1::2]
    first = backups().splitlines()[0]
    assert first == "192.0.2.1  storage  backup_1.3_20260101_0000.tar.gz  2026-01-01 00:00:00Z  7 bytes"


def test_none_is_said() -> None:
    assert backups("--service", "cloud") == "there are no backups\n"
    assert listed("--service", "cloud") == []


@pytest.mark.parametrize(
    "words", [("--host", "192.0.2.9"), ("--cluster", "00000000-0000-0000-0000-000000000001"), ("--service", "x")]
)
def test_what_is_not_there_is_one_clear_error(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as error:
        backups(*words)
    assert "\n" not in str(error.value)
