"""What keys for programs leave behind: rows and events for each act and refusal, and the key itself nowhere."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cluster.models import Cluster
from sysmgr.accounts import keys
from sysmgr.accounts.models import ApiKey, Role, User
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from sysmgr.events.models import Event
from tests.pages import LANGUAGES, enter, faults, url

from .calls import person
from .factors import ask, enrol
from .test_keys import READ, make, post, session, with_key

CREATE = "/admin/accounts/apikey/mine/create/"


@pytest.fixture(autouse=True)
def anna(cluster: Cluster) -> User:
    """An administrator."""
    return person()


def refused() -> list[tuple[str, str, str]]:
    rows = AuditRow.objects.filter(result="refused").order_by("seq")
    return list(rows.values_list("user_name", "action", "object"))


def test_a_key_asks_for_no_second_factor(cluster: Cluster, anna: User) -> None:
    clear = make()
    enrol(anna)
    ask(cluster)
    assert with_key(clear).get(READ).status_code == 200


def test_refusals_are_audited(anna: User) -> None:
    bert = person("bert", Role.OPERATOR)
    client = session("bert")
    of_anna = keys.create_key(anna.pk, keys.Wanted(), SYSTEM)[1]
    assert post(client, "/v1/apikey/remove", {"key_uuid": str(of_anna.pk)}).status_code == 404
    assert client.get("/v1/apikey/list", {"user_uuid": str(anna.pk)}).status_code == 403
    assert client.get("/v1/authentication/session/list", {"user_uuid": "all"}).status_code == 403
    for _ in range(20):
        keys.create_key(bert.pk, keys.Wanted(), SYSTEM)
    answer = post(client, "/v1/apikey/create", {})
    assert (answer.status_code, answer.json()["scode"]) == (409, 1087)
    assert post(client, "/v1/apikey/create", {"role": "administrator"}).status_code == 400
    assert refused() == [
        ("bert", "key.remove", "a key that is not there, or not one's own"),
        ("bert", "call", "keys of another user"),
        ("bert", "call", "log-ins of another user"),
        ("bert", "key.create", "a key: TooManyKeys"),
        ("bert", "key.create", "a key: InvalidInput"),
    ]


def test_the_key_itself_is_in_no_row_no_log_and_no_session(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = enter(Role.ADMINISTRATOR)
    page = client.post(CREATE, {"name": "x", "role": "administrator", "ranges": ""}).content.decode()
    shown = page[page.index("smk_") :].split("<")[0].strip()
    for clear in (shown, make(name="y")):
        told: list[Any] = [*AuditRow.objects.values(), *Event.objects.values(), *ApiKey.objects.values()]
        told += [kept.get_decoded() for kept in Session.objects.all()]
        told.append({name: morsel.value for name, morsel in client.cookies.items()})
        assert clear not in json.dumps(told, default=str)
        assert clear not in caplog.text
    assert shown not in client.get(CREATE).content.decode()
    made = AuditRow.objects.filter(action="key.create", door="admin").get()
    assert {"path": "role", "from": None, "to": "administrator"} in made.changes


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_hold_what_a_browser_may_load(language: str, anna: User) -> None:
    client = enter(Role.ADMINISTRATOR, language)
    key = keys.create_key(anna.pk, keys.Wanted(), SYSTEM)[1]
    mine = "/admin/accounts/apikey/mine/"
    for page in (mine, CREATE, url(ApiKey, "changelist"), url(ApiKey, "change", key.pk), url(ApiKey, "remove", key.pk)):
        answer = client.get(page)
        assert (answer.status_code, faults(answer)) == (200, []), page
    assert mine in client.get("/admin/").content.decode()


def test_administrators_remove_anybodys_on_its_page(anna: User) -> None:
    clear, key = keys.create_key(anna.pk, keys.Wanted(), SYSTEM)
    page = url(ApiKey, "remove", key.pk)
    for role in (Role.OPERATOR, Role.AUDITOR):
        assert enter(role).post(page).status_code == 403
        assert enter(role).post("/admin/accounts/apikey/mine/", {"key": str(key.pk)}).status_code == 302
    assert with_key(clear).get(READ).status_code == 200
    assert enter(Role.ADMINISTRATOR).post(page).status_code == 302
    assert with_key(clear).get(READ).status_code == 401
    row = AuditRow.objects.get(action="key.remove", result="success")
    assert (row.user_name, row.door) == ("the-administrator", "admin")


def test_a_list_costs_the_same_with_one_key_and_with_twenty(anna: User) -> None:
    client = session()

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/v1/apikey/list").status_code == 200
        return len(queries)

    keys.create_key(anna.pk, keys.Wanted(), SYSTEM)
    cost()
    few = cost()
    for _ in range(19):
        keys.create_key(anna.pk, keys.Wanted(), SYSTEM)
    assert cost() == few == 3  # the gate's, count, page
