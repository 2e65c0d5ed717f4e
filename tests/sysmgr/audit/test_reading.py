"""Reading the audit: filters, pages, exports that a spreadsheet can't be made to run, and their cost."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cluster.models import Cluster
from sysmgr.accounts.models import Role
from sysmgr.audit import selectors
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import Actor, record
from tests.conftest import client_of


@pytest.fixture
def auditor(cluster: Cluster) -> Client:
    """An auditor, and rows to look for."""
    for number in range(30):
        actor = Actor("anna" if number % 2 else "bert", "api" if number % 3 else "admin", "192.0.2.7")
        record(
            actor, "test.even" if number % 2 else "test.odd", f"thing {number}", changes=[{"path": "p", "to": number}]
        )
    record(Actor("mallory", "api"), "login", "=cmd()", result="refused")
    return client_of(Role.AUDITOR)


def ask(client: Client, **query: Any) -> dict[str, Any]:
    answer = client.get("/v1/system/audit/list", query)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()["data"]
    return found


def test_rows_come_newest_first_by_filter_and_page(auditor: Client) -> None:
    found = ask(auditor, user_name="anna", page_size=4, page_num=1)
    assert found["total_count"] == 15 and len(found["list"]) == 4
    numbers = [row["seq"] for row in found["list"]]
    assert numbers == sorted(numbers, reverse=True)
    assert set(found["list"][0]) == {
        *("seq", "time", "user_name", "door", "source", "action", "object"),
        *("changes", "result", "request_id", "digest"),
    }
    assert ask(auditor, action="test.odd")["total_count"] == 15
    assert ask(auditor, object="thing 2")["total_count"] == 11
    assert ask(auditor, result="refused")["total_count"] == 1
    assert ask(auditor, door="admin", action="test.odd")["total_count"] == 5
    now = ask(auditor, action="login")["list"][0]["time"]
    assert ask(auditor, **{"from": now + 1})["total_count"] == 0
    assert ask(auditor, to=now - 100)["total_count"] == 0
    assert ask(auditor, **{"from": now - 100, "to": now})["total_count"] >= 31


@pytest.mark.alike
@pytest.mark.parametrize("query", [{"from": "x"}, {"to": "-1"}, {"door": "window"}, {"object": "\0"}])
@pytest.mark.parametrize("path", ["list", "export"])
def test_what_makes_no_sense_is_refused_by_name(auditor: Client, path: str, query: dict[str, str]) -> None:
    answer = auditor.get(f"/v1/system/audit/{path}", query)
    assert answer.status_code == 400 and answer.json()["desc"] == next(iter(query))


def export(client: Client, **query: str) -> str:
    answer = client.get("/v1/system/audit/export", query)
    assert answer.status_code == 200 and "attachment" in answer["Content-Disposition"]
    return b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]


def test_json_holds_what_the_digests_cover(auditor: Client) -> None:
    rows = json.loads(export(auditor))
    assert [row["seq"] for row in rows] == list(AuditRow.objects.order_by("seq").values_list("seq", flat=True))
    assert rows[1]["previous"] == rows[0]["digest"]
    assert json.loads(export(auditor, user_name="nobody")) == []


def test_a_spreadsheet_runs_no_cell(auditor: Client) -> None:
    rows = list(csv.DictReader(io.StringIO(export(auditor, format="csv", result="refused"))))
    assert len(rows) == 1 and rows[0]["object"] == "'=cmd()"
    assert len(list(csv.reader(io.StringIO(export(auditor, format="csv"))))) == AuditRow.objects.count() + 1


def test_another_format_is_refused(auditor: Client) -> None:
    assert auditor.get("/v1/system/audit/export", {"format": "xml"}).json()["desc"] == "format"


def test_the_cost_does_not_grow_with_the_rows(auditor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(auditor)
    with CaptureQueriesContext(connection) as queries:
        ask(auditor)
    assert len(queries) == 3  # gate · count · page
    monkeypatch.setattr(selectors, "_BATCH", 10)
    with CaptureQueriesContext(connection) as queries:
        rows = len(json.loads(export(auditor)))
    assert rows == AuditRow.objects.count() and len(queries) == 1 + rows // 10 + 1  # gate · a batch each
