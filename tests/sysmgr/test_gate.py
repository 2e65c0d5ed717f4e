"""The gate and the log-in at the API door."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from cluster.models import Cluster
from sysmgr.accounts.models import Role, User
from sysmgr.errors import catalogue
from tests.conftest import client_of


def log_in(password: str, user: str = "admin") -> tuple[int, dict[str, object]]:
    body = json.dumps({"user": user, "password": password})
    answer = Client().post("/v1/authentication/login", body, content_type="application/json")
    return answer.status_code, answer.json()


def test_log_in_and_log_out(cluster: Cluster) -> None:
    User.objects.create_user("admin", "right horse", role=Role.ADMINISTRATOR)
    status, answer = log_in("right horse")
    assert status == 200
    data = answer["data"]
    assert isinstance(data, dict)
    assert data["default_cluster_uuid"] == str(cluster.pk)
    client = Client(headers={"Authorization": f"Bearer {data['token']}"})
    assert client.get("/v1/system/version").status_code == 200
    assert client.post("/v1/authentication/logout", "{}", content_type="application/json").status_code == 200
    assert client.get("/v1/system/version").status_code == 401


def test_wrong_password_and_unknown_user_answer_alike(cluster: Cluster) -> None:
    User.objects.create_user("admin", "right horse", role=Role.ADMINISTRATOR)
    assert log_in("wrong") == log_in("wrong", user="nobody")
    assert log_in("wrong", user="somebody else")[0] == 401


def test_without_a_token_nothing_is_shown(cluster: Cluster) -> None:
    answer = Client().get("/v1/system/setting/inspect")
    assert (answer.status_code, answer.json()["scode"], answer.json()["data"]) == (401, 1001, None)


@pytest.mark.parametrize(
    ("role", "read", "write"),
    [(Role.ADMINISTRATOR, 200, 200), (Role.OPERATOR, 200, 403), (Role.AUDITOR, 200, 403)],
)
def test_settings_are_written_by_administrators_only(cluster: Cluster, role: str, read: int, write: int) -> None:
    client = client_of(role)
    assert client.get("/v1/system/setting/inspect").status_code == read
    answer = client.post("/v1/system/setting/update", "{}", content_type="application/json")
    assert answer.status_code == write


def test_unknown_paths_and_wrong_methods_are_envelopes(api: Client) -> None:
    unknown = api.get("/v1/system/no/such")
    assert (unknown.status_code, unknown.json()["scode"]) == (404, 1005)
    wrong = api.get("/v1/system/setting/update")
    assert (wrong.status_code, wrong["Allow"]) == (405, "POST")
    # What is wrong with the path or the method is said first, whatever the body is.
    for method in ("post", "put", "patch", "delete", "options"):
        answer = getattr(api, method)("/v1/system/version", content_type="text/plain")
        assert (answer.status_code, answer.json()["scode"]) == (405, 1006)
    assert api.post("/v1/system/no/such", content_type="text/plain").status_code == 404


def test_a_foreign_host_name_is_refused_and_logged_with_what_to_set(
    api: Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = api.get("/v1/system/version", headers={"Host": "evil.example.com"})
    assert (answer.status_code, answer.json()["scode"], answer.json()["desc"]) == (400, 10001, "Host")
    page = api.get("/admin/login/", headers={"Host": "evil.example.com"})
    assert page.status_code == 400 and "SYSMGR_PUBLIC_URL" in page.content.decode()
    assert [r.getMessage().partition(";")[0] for r in caplog.records if r.name == "sysmgr.api"] == [
        "refused a request for the host name evil.example.com"
    ] * 2


def test_a_call_has_neither_session_nor_language(api: Client) -> None:
    """The page's middleware stays out of its way: what it answers hangs on the token alone."""
    headers = {"Accept-Language": "zh-hans", "Cookie": "sessionid=abcdef; messages=x"}
    for path in ("/v1/system/version", "/v1/system/no/such"):
        answer = api.get(path, headers=headers)
        assert not hasattr(answer.wsgi_request, "session")
        assert "Content-Language" not in answer and "Vary" not in answer and not answer.cookies
    page = api.get("/admin/login/", headers=headers)
    assert page["Content-Language"] == "zh-hans" and hasattr(page.wsgi_request, "session")


def test_error_codes_are_unique_but_for_every_400() -> None:
    codes = [error.scode for error in catalogue() if error.scode not in (10000, 10001)]
    assert len(codes) == len(set(codes))
    assert len({error.name() for error in catalogue()}) == len(catalogue())
    for error in catalogue():
        assert error.message and error.message_cn and error.message != error.message_cn
        assert (error.scode == 10001) == (error.status == 400)
