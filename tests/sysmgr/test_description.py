"""The API's description: whole, valid, true of real answers, and shown to those who may see it."""

from __future__ import annotations

import json
import re

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import get_resolver
from openapi_spec_validator import OpenAPIV31SpecValidator

from cluster.models import Cluster
from sysmgr.accounts.models import Role
from sysmgr.api import description, schema
from sysmgr.api.fields import StrictSerializer
from sysmgr.management.docs import COMMAND, DOCUMENTS, FOLDER
from tests.conftest import client_of
from tests.contract.described import document
from tests.contract.test_examples import EXAMPLES
from tests.test_house_rules import paths

# Described in words, or by themselves: the protocol tus is not ours to describe.
EXEMPT = {"/v1/openapi.json", "/v1/docs", "/v1/system/upgrade_package/tus"}


def addresses() -> set[str]:
    every = {f"/{path}" for path in paths(get_resolver().url_patterns) if path.startswith("v1/")}
    return {path for path in every if path not in EXEMPT and "upgrade_package/tus/" not in path}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_committed_document_is_what_the_source_says(name: str) -> None:
    committed = (FOLDER / name).read_text()
    assert committed == DOCUMENTS[name](), f"docs/{name} is out of date: run `{COMMAND}` (or `make docs`)"


def test_it_is_valid_openapi() -> None:
    assert document()["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document()).validate()


def test_every_endpoint_is_described_and_nothing_else() -> None:
    assert addresses() - set(document()["paths"]) == set()
    assert set(schema.described()) - addresses() == set()
    assert {example["path"] for example in EXAMPLES} <= set(document()["paths"])


def test_every_operation_names_input_answer_and_refusals() -> None:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], path
            assert ("requestBody" in operation) == (method == "post"), path
            needed = {"200", "400", "500", "503"} | ({"401", "403"} if operation.get("security") else set())
            needed |= {"413", "415"} if method == "post" else set()
            assert needed <= set(operation["responses"]), path
            own = path.startswith("/v1/authentication/") or path in ("/v1/apikey/create", "/v1/apikey/remove")
            by_key: list[dict[str, list[str]]] = [] if own else [{"api_key": []}]
            assert operation.get("security") == (None if path.endswith("/login") else [{"bearer": []}, *by_key]), path


def test_every_object_says_which_keys_it_takes() -> None:
    for name, component in document()["components"]["schemas"].items():
        assert component["additionalProperties"] is False, name


def test_every_input_string_has_bounds() -> None:
    names = {cls.__name__ for cls in _strict(StrictSerializer)}
    for name, component in document()["components"]["schemas"].items():
        for key, value in component["properties"].items():
            if name in names and value.get("type") == "string" and not {"enum", "format"} & set(value):
                assert "maxLength" in value and "pattern" in value, f"{name}.{key}"


def _strict(cls: type) -> set[type]:
    children: list[type] = cls.__subclasses__()
    return {cls}.union(*(_strict(child) for child in children))


def test_envelopes_keep_the_documented_keys_in_their_order() -> None:
    for example in EXAMPLES:
        if example["response"] is not None:
            operation = document()["paths"][example["path"]][example["method"].lower()]
            envelope = operation["responses"]["200"]["content"]["application/json"]["schema"]
            assert list(envelope["properties"]) == envelope["required"] == list(example["response"])


# Who may see it


def test_it_is_shown_to_every_token_and_says_the_same_each_time(cluster: Cluster) -> None:
    for role in Role.values:
        answer = client_of(role).get("/v1/openapi.json")
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
        assert json.loads(answer.content) == document()
        page = Client(headers=client_of_headers(role)).get("/v1/docs")
        assert page.status_code == 200


def client_of_headers(role: str) -> dict[str, str]:
    from sysmgr.accounts import tokens

    clear, _ = tokens.issue(get_user_model().objects.get(user_name=f"a-{role}"), "127.0.0.1", 3600)
    return {"Authorization": f"Bearer {clear}"}


@pytest.mark.parametrize("path", ["/v1/openapi.json", "/v1/docs"])
def test_it_is_shown_to_an_admin_session_and_to_nobody_else(cluster: Cluster, path: str) -> None:
    user = get_user_model().objects.create_user("somebody", None, role=Role.AUDITOR)
    client = Client()
    assert (refused := client.get(path)).status_code == 401 and refused.json()["scode"] == 1001
    client.force_login(user)
    assert client.get(path).status_code == 200
    assert client.head(path).status_code == 200
    assert (wrong := client.post(path)).status_code == 405 and wrong["Allow"] == "GET, HEAD"
    assert client.get(path, headers={"Authorization": "Bearer nonsense"}).status_code == 401
    get_user_model().objects.filter(pk=user.pk).update(is_active=False)
    assert client.get(path).status_code == 401


@pytest.mark.parametrize("path", ["/v1/openapi.json", "/v1/docs"])
def test_the_page_runs_nothing_that_is_not_a_file_of_ours(api: Client, path: str) -> None:
    answer = api.get(path)
    policy = dict(part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";") if part.strip())
    assert policy["default-src"] in ("'none'", "'self'")
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in answer["Content-Security-Policy"]
    page = answer.content.decode()
    if path == "/v1/docs":
        assert re.findall(r"<script(?![^>]*\bsrc=\"/static/)", page) == []
        assert re.findall(r"\son\w+=|<style|javascript:|https?://", page) == []
        assert re.findall(r"<script[^>]*>(.*?)</script>", page) == ["", ""]


def test_the_page_s_files_are_there() -> None:
    from django.contrib.staticfiles import finders

    page = (description.__file__, "templates/api/docs.html")
    text = (FOLDER.parent / page[1]).read_text()
    names = re.findall(r"{% static '([^']+)' %}", text)
    assert len(names) == 4
    assert [name for name in names if finders.find(name) is None] == []
