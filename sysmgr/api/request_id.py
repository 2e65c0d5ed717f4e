"""The request's id: made here, sent back, and written wherever the request leaves a trace."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class RequestIdMiddleware:
    """Give each request an id of its own; a client's own id is never trusted into the audit."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request and name its id in `X-Request-Id`."""
        request.request_id = str(uuid.uuid4())  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
        return response


class Unexpected(logging.Filter):
    """Lets only unhandled exceptions pass, and names the request that the client was told."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record is about an exception that nobody expected."""
        if not record.exc_info:
            return False
        record.msg = f"request {getattr(getattr(record, 'request', None), 'request_id', '-')}: {record.msg}"
        return True
