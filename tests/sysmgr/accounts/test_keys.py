"""Keys for programs: what they open, for whom, from where and how long; and that they open nothing more."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.test import Client
from django.utils import timezone

from cluster.models import Cluster
from sysmgr import env
from sysmgr.accounts import keys
from sysmgr.accounts.key_errors import TooManyKeys
from sysmgr.accounts.models import ApiKey, Role, User
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from sysmgr.events.models import Event
from sysmgr.management import retention
from tests.contract.described import DescribedClient
from tests.together import at_once

from .calls import enter_admin, enter_api, person, policy

READ, WRITE = "/v1/system/setting/inspect", "/v1/system/setting/update"


def session(name: str = "anna") -> Client:
    token = json.loads(enter_api(name=name).content)["data"]["token"]
    return DescribedClient(headers={"Authorization": f"Bearer {token}"})


def post(client: Client, path: str, body: Any, **more: Any) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json", **more)


def make(owner: str = "anna", **wanted: Any) -> str:
    answer = post(session(owner), "/v1/apikey/create", wanted)
    assert answer.status_code == 200, answer.content
    clear: str = answer.json()["data"]["uuid"]
    return clear


def with_key(clear: str, header: str = "ApiKey") -> Client:
    headers = {"ApiKey": clear} if header == "ApiKey" else {"Authorization": f"Bearer {clear}"}
    return DescribedClient(headers=headers)


@pytest.fixture(autouse=True)
def anna(cluster: Cluster) -> User:
    """An administrator."""
    return person()


@pytest.mark.parametrize("header", ["ApiKey", "Bearer"])
def test_a_key_opens_the_api_and_is_kept_as_a_digest_only(header: str) -> None:
    clear = make(name="backup")
    assert clear.startswith("smk_")
    client = with_key(clear, header)
    assert client.get(READ).status_code == 200
    assert post(client, WRITE, {"storage_setting": {"hop_hc": 2}}).status_code == 200
    row = ApiKey.objects.get()
    assert clear not in json.dumps({field.attname: str(getattr(row, field.attname)) for field in row._meta.fields})
    assert AuditRow.objects.filter(action="setting.update", user_name="anna").count() == 1


def test_a_key_never_allows_more_than_its_role_or_its_owners() -> None:
    reader = with_key(make(role="auditor"))
    assert reader.get("/v1/system/audit/list").status_code == 200
    assert post(reader, WRITE, {}).status_code == 403
    worker = with_key(make(role="operator"))
    assert worker.get("/v1/system/audit/list").status_code == 403
    User.objects.update(role=Role.AUDITOR)
    assert post(worker, "/v1/system/alert/acknowledge", {}).status_code == 403
    assert reader.get("/v1/system/audit/list").status_code == 200


def test_others_make_keys_of_their_own_role_only() -> None:
    person("bert", Role.OPERATOR)
    client = session("bert")
    for role, status in (("administrator", 400), ("auditor", 400), ("operator", 200)):
        answer = post(client, "/v1/apikey/create", {"role": role})
        assert answer.status_code == status and (status == 200 or answer.json()["desc"] == "role")


@pytest.mark.parametrize(
    ("body", "desc"),
    [
        ({"expire_time": 1}, "expire_time"),
        ({"ranges": ["10.0.0.0/8", "x"]}, "ranges[1]"),
        ({"name": "x" * 65}, "name"),
        ({"role": "king"}, "role"),
        ({"nmae": "x"}, "nmae"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(body: dict[str, Any], desc: str) -> None:
    answer = post(session(), "/v1/apikey/create", body)
    assert (answer.status_code, answer.json()["desc"]) == (400, desc)


def test_it_ends_at_its_time_and_with_its_owner() -> None:
    client = with_key(make(expire_time=int(time.time()) + 3600))
    assert client.get(READ).status_code == 200
    ApiKey.objects.update(create_time=F("create_time") - timedelta(days=1), expire_time=timezone.now())
    assert client.get(READ).status_code == 401
    ApiKey.objects.update(expire_time=None)
    User.objects.update(is_active=False)
    assert client.get(READ).status_code == 401
    User.objects.all().delete()
    assert client.get(READ).status_code == 401


def test_it_works_from_its_ranges_only() -> None:
    client = with_key(make(ranges=["10.0.0.0/8", "2001:db8::/32"]))
    for source, status in (("10.1.2.3", 200), ("::ffff:10.1.2.3", 200), ("2001:db8::1", 200), ("192.0.2.1", 403)):
        assert client.get(READ, REMOTE_ADDR=source).status_code == status, source
    assert AuditRow.objects.filter(action="key.source", result="refused").exists()


def test_an_expired_password_does_not_stop_it(anna: User) -> None:
    client = with_key(make())
    User.objects.update(must_change_password=True)
    assert client.get(READ).status_code == 200


def test_its_use_is_noted_once_a_minute() -> None:
    client = with_key(make())
    client.get(READ)
    first = ApiKey.objects.get().last_used_time
    assert first is not None
    client.get(READ)
    assert ApiKey.objects.get().last_used_time == first


def test_a_leaked_key_makes_no_other_one_and_touches_no_log_in() -> None:
    client = with_key(make())
    calls = ["/v1/apikey/create", "/v1/apikey/remove", "/v1/authentication/logout"]
    calls += [f"/v1/authentication/{path}" for path in ("password/change", "otp/enroll", "session/end")]
    for call in calls:
        assert post(client, call, {}).status_code == 403, call
    assert client.get("/v1/authentication/session/list").status_code == 403
    assert client.get("/v1/apikey/list").json()["data"]["total_count"] == 1


def test_it_opens_no_page() -> None:
    clear = make()
    assert with_key(clear).get("/admin/").status_code == 302
    assert with_key(clear).get("/metrics").status_code == 200


def test_owners_list_and_remove_their_own_and_administrators_everybodys() -> None:
    person("bert", Role.OPERATOR)
    mine, his = with_key(make()), with_key(make("bert"))
    admin, bert = session(), session("bert")
    listed = bert.get("/v1/apikey/list").json()["data"]
    assert [key["user_name"] for key in listed["list"]] == ["bert"] and "smk_" not in json.dumps(listed)
    assert bert.get("/v1/apikey/list", {"user_uuid": "all"}).status_code == 403
    assert admin.get("/v1/apikey/list", {"user_uuid": "all"}).json()["data"]["total_count"] == 2
    of_anna, of_bert = (ApiKey.objects.get(user__user_name=name).pk for name in ("anna", "bert"))
    assert post(bert, "/v1/apikey/remove", {"key_uuid": str(of_anna)}).status_code == 404
    assert mine.get(READ).status_code == his.get(READ).status_code == 200
    assert post(admin, "/v1/apikey/remove", {"key_uuid": str(of_bert)}).status_code == 200
    assert his.get(READ).status_code == 401
    assert post(admin, "/v1/apikey/remove", {"key_uuid": str(of_bert)}).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_twenty_a_user_exactly(anna: User) -> None:
    def one() -> bool:
        try:
            keys.create_key(anna.pk, keys.Wanted(), SYSTEM)
        except TooManyKeys:
            return False
        return True

    assert at_once([one] * 30).count(True) == 20 == ApiKey.objects.count()


def test_commands_do_the_same_and_leave_the_same_trace() -> None:
    out = StringIO()
    call_command("apikey_create", "anna", "--name", "x", "--range", "127.0.0.1", "--json", stdout=out)
    made = json.loads(out.getvalue())
    assert with_key(made["key"]).get(READ).status_code == 200
    out = StringIO()
    call_command("apikey_list", "--user", "anna", "--json", stdout=out)
    assert [key["key_uuid"] for key in json.loads(out.getvalue())] == [made["key_uuid"]]
    call_command("apikey_remove", made["key_uuid"], stdout=StringIO())
    assert with_key(made["key"]).get(READ).status_code == 401
    told = set(AuditRow.objects.filter(door="command").values_list("action", flat=True))
    assert {"key.create", "key.remove"} <= told
    assert Event.objects.filter(kind__startswith="account.key_").count() == 2
    with pytest.raises(CommandError, match="no user"):
        call_command("apikey_create", "nobody")


def test_everybody_looks_after_his_own_at_the_admin() -> None:
    person("bert", Role.OPERATOR)
    client = enter_admin(name="bert")
    page = client.post("/admin/accounts/apikey/mine/create/", {"name": "x", "role": "operator", "ranges": "127.0.0.1"})
    row = ApiKey.objects.get()
    text = page.content.decode()
    clear = text[text.index("smk_") :].split("<")[0].strip()
    assert with_key(clear).get(READ).status_code == 200 and "no-store" in page["Cache-Control"]
    assert "smk_" not in client.get("/admin/accounts/apikey/mine/").content.decode()
    refused = client.post("/admin/accounts/apikey/mine/create/", {"role": "administrator", "expire_time": "soon"})
    assert refused.status_code == 200 and ApiKey.objects.count() == 1
    assert client.post("/admin/accounts/apikey/mine/", {"key": str(row.pk)}).status_code == 302
    assert not ApiKey.objects.exists()


def test_keys_that_ended_are_swept_after_a_month(anna: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "LEGACY_LOGIN", True)
    for legacy in (False, True):
        keys.create_key(anna.pk, keys.Wanted(), SYSTEM, legacy=legacy)
    ApiKey.objects.update(create_time=F("create_time") - timedelta(days=40))
    retention.sweep()
    assert [key.legacy for key in ApiKey.objects.all()] == [False]
    ApiKey.objects.update(expire_time=timezone.now() - timedelta(days=31))
    retention.sweep()
    assert not ApiKey.objects.exists()


def test_lock_and_policy_do_not_concern_it(cluster: Cluster) -> None:
    client = with_key(make())
    policy(cluster, token_expire_second=60)
    ApiKey.objects.update(create_time=F("create_time") - timedelta(days=300))
    assert client.get(READ).status_code == 200
