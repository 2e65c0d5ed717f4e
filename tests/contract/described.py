"""Whether an answer is what the API's description says of it."""

from __future__ import annotations

import json
import threading
from functools import cache
from typing import Any

from django.test import Client
from openapi_schema_validator import OAS31Validator, oas31_format_checker

from sysmgr import env
from sysmgr.api import description, schema

_lock = threading.Lock()
_made: list[dict[str, Any]] = []


def document() -> dict[str, Any]:
    """Return the description, made once a process: by one thread, its maker bears no two."""
    with _lock:
        if not _made:
            _made.append(description.document())
    return _made[0]


@cache
def _validator(method: str, path: str, status: int) -> Any:
    operation = document()["paths"][path][method.lower()]
    response = operation["responses"][str(status)]
    if "$ref" in response:
        response = document()["components"]["responses"][response["$ref"].rpartition("/")[2]]
    whole = {**response["content"]["application/json"]["schema"], "components": document()["components"]}
    return OAS31Validator(whole, format_checker=oas31_format_checker)


def problems(method: str, path: str, status: int, body: bytes) -> list[str]:
    """Return what is wrong with an answer, each with its place; empty when it is as described."""
    if path not in document()["paths"] or method.lower() not in document()["paths"][path]:
        return []
    if str(status) not in document()["paths"][path][method.lower()]["responses"]:
        return [f"{method} {path} answered {status}, which its description does not have"]
    described = document()["paths"][path][method.lower()]["responses"][str(status)]
    if "content" in described and "application/json" not in described["content"] or status == 304:
        return []
    answer = json.loads(body)
    if status != 200 and answer["scode"] not in {error.scode for error in schema.product_errors()}:
        return []  # an error that the test itself declared
    found = _validator(method, path, status).iter_errors(answer)
    return [f"{method} {path} {status} {'.'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in found]


class DescribedClient(Client):
    """A client that holds every answer to the API's description."""

    def request(self, **request: Any) -> Any:
        """Send the request; fail where the answer is not as described."""
        answer = super().request(**request)
        method = request["REQUEST_METHOD"]
        if answer.streaming:
            return answer  # a file
        if request["PATH_INFO"].startswith("/v1/") and method in ("GET", "POST") and not env.ALWAYS_200:
            found = problems(method, request["PATH_INFO"], answer.status_code, answer.content)
            assert found == [], found
        return answer
