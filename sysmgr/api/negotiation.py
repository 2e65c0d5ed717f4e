"""Negotiation: there is one representation, whatever the client says that it accepts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import BaseContentNegotiation


class OneRenderer(BaseContentNegotiation):
    """Always the first parser that takes the content type, and the one renderer."""

    def select_parser(self, request: Any, parsers: Iterable[Any]) -> Any:
        """Return the parser of the request's media type, or None (415)."""
        sent = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == sent), None)

    def select_renderer(self, request: Any, renderers: Iterable[Any], format_suffix: Any = None) -> Any:
        """Return the renderer and its media type."""
        renderer = next(iter(renderers))
        return renderer, renderer.media_type
