"""A WSGI application that answers a constant: what client and server can do at most."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

BODY = b"x" * 2000


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer 2,000 bytes."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))])
    return [BODY]
