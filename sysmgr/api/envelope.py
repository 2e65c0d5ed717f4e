"""The envelopes of contract §1, in their documented key order."""

from __future__ import annotations

from typing import Any

from django.http import JsonResponse
from rest_framework.response import Response

from sysmgr.errors import SysmgrError


def standard(data: Any) -> dict[str, Any]:
    """Return the standard envelope of a success."""
    return {"scode": 0, "desc": "", "message": "success", "message_cn": "成功", "stack": None, "data": data}


def ok(data: Any, **headers: str) -> Response:
    """Answer with the standard envelope."""
    return Response(standard(data), headers=headers)


def version_ok(data: Any) -> Response:
    """Answer with the version envelope."""
    return Response({"status_code": 0, "message_en": "success", "message_cn": "成功", "data": data})


def package_list_ok(data: Any) -> Response:
    """Answer with the package-list envelope, which has an empty `messageCn` more."""
    body = standard(data)
    return Response(
        {
            "scode": 0,
            "desc": "",
            "message": body["message"],
            "message_cn": body["message_cn"],
            "messageCn": "",
            "stack": None,
            "data": data,
        }
    )


def failure(error: SysmgrError) -> dict[str, Any]:
    """Return the standard envelope of an error."""
    return {
        "scode": error.scode,
        "desc": error.field,
        "message": error.text,
        "message_cn": error.text_cn,
        "stack": None,
        "data": None,
    }


def failure_headers(error: SysmgrError) -> dict[str, str]:
    """Return the headers that belong to an error."""
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def failure_response(error: SysmgrError) -> JsonResponse:
    """Answer an error outside DRF (gate, unknown paths, unhandled exceptions)."""
    return JsonResponse(
        failure(error),
        status=error.status,
        headers=failure_headers(error),
        json_dumps_params={"ensure_ascii": False, "separators": (",", ":")},  # byte by byte as views answer
    )
