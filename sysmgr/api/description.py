"""The API's own description: OpenAPI 3.1 with the real envelopes, and the page that shows it."""

from __future__ import annotations

import json
import threading
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from drf_spectacular.generators import SchemaGenerator

from sysmgr.errors import MethodNotAllowed, NotAuthenticated

from . import schema
from .autoschema import failures
from .envelope import failure_response
from .gate import session_admitted

_ABOUT = """\
Every answer is an envelope: `scode` 0 and `data`, or an error's `scode` with what is wrong and what to do in English
(`message`) and Chinese (`message_cn`); `desc` names the value at fault. Statuses are real; `SYSMGR_ALWAYS_200` changes
that for old clients, and `docs/compatibility.md` tells of every such switch.

Bodies are strict: unknown keys, duplicate keys, wrong types, control characters and values out of their bounds are
refused with 400 and nothing is stored. A body is `application/json` in UTF-8 without Content-Encoding, at most 1 MiB,
nested at most 20 deep, with at most 10,000 items in a list. Unknown query keys are ignored.

`/v1/system/upgrade_package/tus` speaks the protocol tus 1.0.0 (creation, checksum, expiration, termination) and is not
described here: see https://tus.io/protocols/resumable-upload and `docs/packages.md`. Beside the API, `/healthz`,
`/readyz` and `/metrics` answer in forms of their own.
"""
_HEADERS = {
    "RequestId": "The request's id, as it stands in log and audit.",
    "Replay": "`true` when this is the kept answer of an earlier request with the same Idempotency-Key.",
    "RetryAfter": "Whole seconds to wait before the next try.",
    "WwwAuthenticate": "The scheme of the token.",
    "Revision": "The number of the newest revision of the cluster's settings.",
    "Tag": "The tag of what is shown; send it back in If-None-Match.",
}
_PARAMETERS = {
    "IdempotencyKey": {
        "in": "header",
        "name": "Idempotency-Key",
        "description": "The same request again with the same key within 24 h gets the first answer.",
        "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
    },
    "IfNoneMatch": {
        "in": "header",
        "name": "If-None-Match",
        "description": "The ETag of an earlier answer; 304 when it still holds.",
        "schema": {"type": "string"},
    },
}
_BEARER = {"type": "http", "scheme": "bearer", "description": "The token of /v1/authentication/login."}
_API_KEY = {"type": "apiKey", "in": "header", "name": "ApiKey", "description": "A key of /v1/apikey/create."}
_lock = threading.Lock()


def document() -> dict[str, Any]:
    """Return the whole description; it depends on the source only, never on the installation."""
    schema.load()
    with translation.override("en"):
        generator: Any = SchemaGenerator
        found: dict[str, Any] = generator(api_version="").get_schema(public=True)
    found["info"] = {"title": "sysmgr", "version": "1", "description": _ABOUT}
    components = found["components"]
    components["parameters"] = _PARAMETERS
    components["headers"] = {
        name: {"description": said, "schema": {"type": "string"}} for name, said in _HEADERS.items()
    }
    components["responses"] = {
        name: body for name, body in failures().items() if f'"#/components/responses/{name}"' in json.dumps(found)
    }
    components["securitySchemes"] = {"bearer": _BEARER, "api_key": _API_KEY}
    result: dict[str, Any] = _cleaned(found)
    return result


def _cleaned(value: Any) -> Any:
    """Drop the generator's private marks."""
    if isinstance(value, dict):
        return {key: _cleaned(item) for key, item in value.items() if key != "x-spec-enum-id"}
    return [_cleaned(item) for item in value] if isinstance(value, list) else value


def text() -> str:
    """Return the description as the committed file holds it."""
    return json.dumps(document(), ensure_ascii=False, indent=1) + "\n"


@lru_cache(maxsize=1)
def _rendered() -> bytes:
    return text().encode()


def _admitted(request: HttpRequest) -> bool:
    """Whether a token (the gate looked at it) or an admin session asks."""
    gate: Any = getattr(request, "gate", None)
    return bool(gate and gate.user) or session_admitted(request)


def openapi(request: HttpRequest) -> HttpResponse:
    """`/v1/openapi.json`: the description itself."""
    refused = _refusal(request)
    if refused:
        return refused
    with _lock:
        body = _rendered()
    return HttpResponse(body, content_type="application/json")


def docs(request: HttpRequest) -> HttpResponse:
    """`/v1/docs`: the description to read and to try."""
    return _refusal(request) or render(request, "api/docs.html")


def _refusal(request: HttpRequest) -> HttpResponse | None:
    if request.method not in ("GET", "HEAD"):
        response = failure_response(MethodNotAllowed())
        response["Allow"] = "GET, HEAD"
        return response
    return None if _admitted(request) else failure_response(NotAuthenticated())
