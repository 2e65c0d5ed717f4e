"""What every API view shares: the gate's findings and checked query values."""

from __future__ import annotations

import uuid
from typing import Any

from rest_framework.viewsets import ViewSet

from sysmgr.errors import InvalidInput, Problem

from .fields import StrictUUIDField
from .gate import Gate
from .strict_json import check_text

MAX_TEXT = 255


def parse_uuid(text: Any, path: str) -> uuid.UUID:
    """Return the UUID, or raise InvalidInput naming `path`."""
    found = StrictUUIDField.parse(text)
    if found is None:
        raise InvalidInput([Problem(path, "must be a UUID in its usual form", "必须是标准格式的 UUID")])
    return found


def query_text(text: str, name: str) -> str:
    """Return a query value that keeps the rules of JSON strings, or raise InvalidInput."""
    check_text(text, name)
    if len(text) > MAX_TEXT:
        raise InvalidInput([Problem(name, f"has more than {MAX_TEXT} characters", f"超过 {MAX_TEXT} 个字符")])
    return text


class ApiViewSet(ViewSet):
    """Base of the API's views; they only translate."""

    # No OPTIONS: DRF's description of a view is no envelope, and the API's description is its own document.
    http_method_names = ["get", "head", "post"]

    def gate(self, request: Any) -> Gate:
        """Return what the gate found out."""
        gate: Gate = request._request.gate
        return gate

    def query(self, request: Any, name: str) -> str:
        """Return a query value under the rules of JSON strings, or raise InvalidInput."""
        text: str = request.query_params.get(name, "")
        if not text:
            raise InvalidInput([Problem(name, "is required", "为必填项")])
        return query_text(text, name)

    def number(self, request: Any, name: str, default: int, low: int, high: int) -> int:
        """Return an integer of the query within its bounds, or raise InvalidInput."""
        text = request.query_params.get(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(high)) and low <= int(text) <= high):
            raise InvalidInput([Problem(name, f"must be {low} to {high}", f"必须在 {low} 到 {high} 之间")])
        return int(text)
