"""Calls at the API door, as the tests of clusters and hosts make them."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client


def post(client: Client, path: str, body: Any, **headers: str) -> Any:
    """POST JSON to a path below /v1/system/."""
    text = json.dumps(body)
    return client.post(f"/v1/system/{path}", text, content_type="application/json", headers=headers)


def get(client: Client, path: str) -> Any:
    """GET a path below /v1/system/."""
    return client.get(f"/v1/system/{path}")


def told(answer: Any) -> tuple[int, int, str]:
    """Return status, code and field path of an answer."""
    body = answer.json()
    return answer.status_code, body["scode"], body["desc"]
