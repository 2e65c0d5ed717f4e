"""The request body parser that DRF uses for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser

from . import strict_json


class StrictJSONParser(BaseParser):
    """application/json in UTF-8, by the rules of `strict_json`; the gate has bounded its size."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the body's object."""
        return strict_json.loads(stream.read())
