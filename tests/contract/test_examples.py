"""The documented examples at the HTTP door: keys, their order, types and nulls are binding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

EXAMPLES = json.loads((Path(__file__).parent / "examples.json").read_text())
HERE = {
    "/v1/system/version",
    "/v1/system/member/list",
    "/v1/system/mail_setting/inspect",
    "/v1/system/mail_setting/update",
    "/v1/system/setting/inspect",
    "/v1/system/setting/update",
}


def shape(value: Any) -> Any:
    """Return keys in order, types, and nulls; the items of a list are not part of it."""
    if isinstance(value, dict):
        return [(key, shape(item)) for key, item in value.items()]
    return type(value).__name__


@pytest.mark.parametrize(
    "example", [e for e in EXAMPLES if e["path"] in HERE], ids=lambda e: e["path"].removeprefix("/v1/system/")
)
def test_answer_has_the_documented_shape(api: Client, example: dict[str, Any]) -> None:
    if example["method"] == "GET":
        answer = api.get(example["path"])
    else:
        body = {key: value for key, value in example["body"].items() if key != "cluster_uuid"}
        answer = api.post(example["path"], json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.content
    assert shape(json.loads(answer.content)) == shape(example["response"])


def test_demo_settings_have_the_documented_values(api: Client) -> None:
    documented = next(e for e in EXAMPLES if e["path"].endswith("setting/inspect") and "mail" not in e["path"])
    stored = api.get("/v1/system/setting/inspect").json()["data"]
    for section, values in documented["response"]["data"].items():
        if section != "mail_setting":  # the demo's mail is disabled and empty
            assert stored[section] == values
