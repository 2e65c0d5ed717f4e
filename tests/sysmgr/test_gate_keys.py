"""Keys for programs at the gate: where they stand, whose they are, from where, and what they may call."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cluster.models import Cluster
from sysmgr.accounts import tokens
from sysmgr.accounts.models import ApiKey, Role, User
from sysmgr.audit.models import AuditRow
from tests.conftest import client_of
from tests.contract.described import DescribedClient

VERSION = "/v1/system/version"


def owner(role: str = Role.ADMINISTRATOR, **fields: Any) -> User:
    return User.objects.create_user("anna", None, role=role, **fields)


def key_of(user: User, role: str = Role.ADMINISTRATOR, **fields: Any) -> tuple[str, ApiKey]:
    clear = "smk_" + secrets.token_urlsafe(32)
    row = {"user": user, "role": role, "digest": tokens.digest(clear), "create_time": timezone.now(), **fields}
    return clear, ApiKey.objects.create(**row)


def ask(path: str = VERSION, method: str = "get", source: str = "192.0.2.7", **headers: str) -> Any:
    client = DescribedClient(headers=headers, REMOTE_ADDR=source)
    return getattr(client, method)(path, **({"content_type": "application/json"} if method == "post" else {}))


def refused() -> list[tuple[str, str]]:
    rows = AuditRow.objects.filter(result="refused").order_by("seq")
    return list(rows.values_list("user_name", "action"))


def test_a_key_stands_in_one_of_two_headers_or_in_both(cluster: Cluster) -> None:
    clear, key = key_of(owner())
    for headers in ({"ApiKey": clear}, {"Authorization": f"Bearer {clear}"}):
        assert ask(**headers).status_code == 200
    assert ask(ApiKey=clear, Authorization=f"bearer  {clear} ").status_code == 200
    key.refresh_from_db()
    assert key.last_used_time is not None


@pytest.mark.alike
@pytest.mark.parametrize(
    "headers",
    [
        {"ApiKey": "smk_one", "Authorization": "Bearer smk_two"},
        {"ApiKey": "{key}", "Authorization": "Bearer {token}"},
        {"ApiKey": "{token}"},  # a log-in's token is no key
        {"ApiKey": ""},
        {"Authorization": "{token}"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer {token}, Bearer {token}"},
        {"Authorization": "Bearer {token} x"},
        {"Authorization": "Bearer\t{token}"},
        {"Authorization": "Bearer {token}\x00"},
        {"Authorization": "Bearer {token}é"},
        {"Authorization": "Bearer " + "x" * 513},
        {"Authorization": "Bearer ' OR 1=1 --"},
        {"Authorization": "Bearer smk_{token}"},
    ],
)
def test_oddities_of_the_headers_are_refused_and_audited(cluster: Cluster, headers: dict[str, str]) -> None:
    user = owner()
    token, _ = tokens.issue(user, "127.0.0.1", 3600)
    key, _ = key_of(user)
    sent = {name: value.replace("{token}", token).replace("{key}", key) for name, value in headers.items()}
    answer = ask(**sent)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert refused() == [("", "token")]
    assert token not in str(list(AuditRow.objects.values_list("object", "changes")))


def test_a_key_ends_with_its_time_and_with_its_owner(cluster: Cluster) -> None:
    user, now = owner(), timezone.now()
    past: dict[str, Any] = {"create_time": now - timedelta(days=40)}
    assert ask(ApiKey=key_of(user, expire_time=now + timedelta(hours=1))[0]).status_code == 200
    for ended in (
        {**past, "expire_time": now - timedelta(seconds=1)},
        {**past, "legacy": True},
        {**past, "legacy": True, "last_used_time": now - timedelta(days=30, seconds=1)},
    ):
        answer = ask(ApiKey=key_of(user, **ended)[0])
        assert (answer.status_code, answer.json()["scode"]) == (401, 1002)
    assert ask(ApiKey=key_of(user, **past, legacy=True, last_used_time=now - timedelta(days=29))[0]).status_code == 200
    assert ask(ApiKey=key_of(user, **past)[0]).status_code == 200  # without an end it lives on
    living, _ = key_of(user)
    User.objects.update(is_active=False)
    assert ask(ApiKey=living).status_code == 401
    user.delete()
    assert ask(ApiKey=living).status_code == 401
    assert refused() == [("anna", "token"), ("", "token")]  # the same again is counted, not written anew


def test_a_key_is_good_from_its_ranges_only(cluster: Cluster) -> None:
    clear, key = key_of(owner(), ranges=["192.0.2.0/25", "2001:db8::1"])
    for source in ("192.0.2.7", "::ffff:192.0.2.127", "2001:db8::1"):
        assert ask(source=source, ApiKey=clear).status_code == 200, source
    for source in ("192.0.2.128", "2001:db8::2", "127.0.0.1", ""):
        answer = ask(source=source, ApiKey=clear)
        assert (answer.status_code, answer.json()["scode"]) == (403, 1062), source
    assert refused() == [("anna", "key.source")] * 4  # a row for each source
    row = AuditRow.objects.filter(action="key.source").first()
    assert row is not None and row.object == f"key {key.pk}" and clear not in str(row.changes)


@pytest.mark.parametrize(
    ("of", "role", "reads", "audits", "acts", "writes"),
    [
        ("administrator", "administrator", True, True, True, True),
        ("administrator", "operator", True, False, True, False),
        ("administrator", "auditor", True, True, False, False),
        ("operator", "operator", True, False, True, False),
        ("operator", "administrator", True, False, True, False),  # the owner was an administrator once
        ("operator", "auditor", True, False, False, False),
        ("auditor", "administrator", True, True, False, False),
        ("auditor", "operator", True, False, False, False),
    ],
)
def test_key_and_owner_must_both_be_allowed(
    cluster: Cluster, of: str, role: str, reads: bool, audits: bool, acts: bool, writes: bool
) -> None:
    clear, _ = key_of(owner(of), role)
    assert (ask("/v1/system/host/list", ApiKey=clear).status_code != 403) == reads
    assert (ask("/v1/system/audit/list", ApiKey=clear).status_code != 403) == audits
    assert (ask("/v1/system/user/list", ApiKey=clear).status_code != 403) == audits
    for path, may in (("host/create", acts), ("setting/update", writes), ("upgrade_package/trust/add", writes)):
        client = Client(headers={"ApiKey": clear})
        answer = client.post(f"/v1/system/{path}", "{}", content_type="application/json")
        assert (answer.status_code != 403) == may, path
        if not may:
            assert AuditRow.objects.filter(object=f"POST /v1/system/{path}", result="refused").exists()


def test_a_key_makes_no_other_and_ends_no_log_in(cluster: Cluster) -> None:
    clear, _ = key_of(owner())
    for path in ("authentication/logout", "authentication/password/change", "apikey/create", "apikey/remove"):
        client = Client(headers={"ApiKey": clear})
        assert client.post(f"/v1/{path}", "{}", content_type="application/json").status_code == 403, path


@pytest.mark.parametrize("query", ["", "?cluster_uuid={cluster}"])
@pytest.mark.parametrize("kind", ["token", "key"])
def test_one_query_decides(cluster: Cluster, kind: str, query: str) -> None:
    user = owner()
    clear = key_of(user, ranges=["192.0.2.0/24"])[0] if kind == "key" else tokens.issue(user, "127.0.0.1", 3600)[0]
    path = VERSION + query.format(cluster=cluster.pk)
    assert ask(path, Authorization=f"Bearer {clear}").status_code == 200  # the policy is read, the use is noted
    with CaptureQueriesContext(connection) as queries:
        assert ask(path, Authorization=f"Bearer {clear}").status_code == 200
    assert len(queries) == 1, [query["sql"][:90] for query in queries]


def test_the_use_is_noted_once_a_minute(cluster: Cluster) -> None:
    clear, key = key_of(owner())
    for ago, noted in ((None, True), (59, False), (61, True)):
        last = None if ago is None else timezone.now() - timedelta(seconds=ago)
        ApiKey.objects.update(last_used_time=last)
        assert ask(ApiKey=clear).status_code == 200
        key.refresh_from_db()
        assert (key.last_used_time != last) == noted


def test_a_refusal_of_a_made_up_path_is_audited_under_one_name(cluster: Cluster) -> None:
    client = client_of(Role.AUDITOR)
    for path in ("host/create", "no/such", "no/\x00such", "no/" + "x" * 900):
        answer = client.post(f"/v1/system/{path}", "{}", content_type="application/json")
        assert answer.status_code == 403, path
    objects = AuditRow.objects.filter(result="refused").order_by("seq").values_list("object", flat=True)
    assert list(dict.fromkeys(objects)) == ["POST /v1/system/host/create", "an unknown path"]
