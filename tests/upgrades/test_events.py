"""`upgrade/event/list` at the API door: numbered as they commit, so a reader misses none and sees none twice."""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import Client

from cluster.models import Cluster
from sysmgr.events.models import Event
from sysmgr.events.services import emit, number
from tests.conftest import client_of
from tests.together import at_once
from upgrades.models import UpgradeRun

LIST = "/v1/system/upgrade/event/list"
WAIT_SECONDS = 60


@pytest.fixture
def run(cluster: Cluster) -> UpgradeRun:
    """A run without hosts."""
    return UpgradeRun.objects.create(cluster=cluster, author="x")


def say(run: UpgradeRun, kind: str = "upgrade.item.staging", **data: Any) -> Event:
    return emit(kind, run.pk, "In English.", "中文。", **data)


def read(client: Client, run: UpgradeRun | None = None, **query: Any) -> Any:
    named = {"upgrade_uuid": str(run.pk)} if run else {}
    return client.get(LIST, {**named, **query})


def test_events_come_in_order_with_their_number_and_where_to_go_on(api: Client, run: UpgradeRun) -> None:
    emit("other.thing", uuid.uuid4(), "x", "x")
    for n in range(5):
        say(run, host_ip=f"192.0.2.{n}", service_type="cloud", n=n)
    first = read(api, run, page_size=3).json()["data"]
    assert (first["total_count"], len(first["list"])) == (5, 3)
    event = first["list"][0]
    assert list(event) == [
        "number",
        "time",
        "kind",
        "severity",
        "subject",
        "host_ip",
        "service_type",
        "message",
        "message_cn",
        "data",
    ]
    assert (event["kind"], event["host_ip"], event["service_type"]) == ("upgrade.item.staging", "192.0.2.0", "cloud")
    assert (event["message"], event["message_cn"], event["data"]) == ("In English.", "中文。", {"n": 0})
    rest = read(api, run, after=first["last_number"]).json()["data"]
    assert (rest["total_count"], [event["data"]["n"] for event in rest["list"]]) == (2, [3, 4])
    end = read(api, run, after=rest["last_number"]).json()["data"]
    assert end == {"total_count": 0, "last_number": rest["last_number"], "list": []}


def test_without_a_run_all_runs_of_the_cluster_are_told_and_no_other_ones(api: Client, run: UpgradeRun) -> None:
    other = UpgradeRun.objects.create(cluster=Cluster.objects.create(name="other"), author="x")
    second = UpgradeRun.objects.create(cluster=run.cluster, author="x")
    for each in (run, other, second):
        say(each)
    told = read(api).json()["data"]["list"]
    assert [event["subject"] for event in told] == [str(run.pk), str(second.pk)]
    foreign = read(api, other)
    assert (foreign.status_code, foreign.json()["scode"], foreign.json()["desc"]) == (404, 4047, "upgrade_uuid")
    assert read(api, other, cluster_uuid=str(other.cluster_id)).json()["data"]["total_count"] == 1


@pytest.mark.alike
@pytest.mark.parametrize(
    ("query", "desc"),
    [
        ({"upgrade_uuid": "x"}, "upgrade_uuid"),
        ({"upgrade_uuid": ""}, "upgrade_uuid"),
        ({"after": "-1"}, "after"),
        ({"after": "x"}, "after"),
        ({"page_size": "0"}, "page_size"),
        ({"page_size": "1001"}, "page_size"),
        ({"cluster_uuid": "x"}, "cluster_uuid"),
    ],
)
def test_wrong_values_are_refused_with_their_name(api: Client, query: dict[str, str], desc: str) -> None:
    answer = api.get(LIST, query)
    assert (answer.status_code, answer.json()["desc"]) == (400, desc)


def test_everybody_reads_and_nobody_without_a_token(run: UpgradeRun, client: Client) -> None:
    assert {read(client_of(role), run).status_code for role in ("operator", "auditor")} == {200}
    assert read(client, run).status_code == 401


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's writers wait for each other")
@pytest.mark.django_db(transaction=True)
def test_an_event_that_was_written_first_and_committed_last_comes_after(api: Client, run: UpgradeRun) -> None:
    written, read_once = threading.Event(), threading.Event()

    def slow() -> None:
        try:
            with transaction.atomic():
                say(run, n="first written")
                written.set()
                assert read_once.wait(WAIT_SECONDS)
        finally:
            written.set()
            connections.close_all()

    thread = threading.Thread(target=slow)
    thread.start()
    try:
        assert written.wait(WAIT_SECONDS)
        say(run, n="second written")
        before = read(api, run).json()["data"]
        assert [event["data"]["n"] for event in before["list"]] == ["second written"]
    finally:
        read_once.set()
        thread.join(WAIT_SECONDS)
    after = read(api, run, after=before["last_number"]).json()["data"]
    assert [event["data"]["n"] for event in after["list"]] == ["first written"]


@pytest.mark.django_db(transaction=True)
def test_readers_beside_many_writers_miss_none_and_see_none_twice(api: Client, run: UpgradeRun) -> None:
    writers, rounds, readers = 6, 8, 3
    pause = threading.Event()

    def write(name: int) -> None:
        for n in range(rounds):
            with transaction.atomic():
                say(run, name=name, n=n)
                pause.wait(0.002 * ((name * 7 + n * 3) % 5))  # commits overtake each other

    def follow() -> list[tuple[int, int]]:
        seen: list[tuple[int, int]] = []
        after = 0
        deadline = time.monotonic() + WAIT_SECONDS
        while len(seen) < writers * rounds and time.monotonic() < deadline:
            page = read(api, run, after=after, page_size=7).json()["data"]
            numbers = [event["number"] for event in page["list"]]
            assert numbers == sorted(set(numbers)) and all(number > after for number in numbers)
            seen += [(event["data"]["name"], event["data"]["n"]) for event in page["list"]]
            after = page["last_number"]
        return seen

    results = at_once([lambda name=name: write(name) for name in range(writers)] + [follow] * readers)
    expected = sorted((name, n) for name in range(writers) for n in range(rounds))
    assert [sorted(seen) for seen in results[writers:]] == [expected] * readers
    assert results[writers] == results[writers + 1] == results[writers + 2]


@pytest.mark.django_db(transaction=True)
def test_numbering_at_once_gives_each_number_once(cluster: Cluster, run: UpgradeRun) -> None:
    for _ in range(20):
        say(run)
    at_once([number] * 6)
    numbers = list(Event.objects.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
