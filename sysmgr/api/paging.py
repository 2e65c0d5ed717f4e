"""The paging of every list: `page_num` from 0, `page_size`, `filter_name` → `{total_count, list}`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from .views import ApiViewSet, query_text

DEFAULT_SIZE = 20
_MOST_SIZE = 1000
_MOST_NUMBER = 1_000_000
M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Page:
    """What part of a list is asked for; `name` is what its rows' names must contain, `""` all."""

    number: int = 0
    size: int = DEFAULT_SIZE
    name: str = ""

    def cut(self, rows: QuerySet[M], shape: Callable[[M], dict[str, Any]]) -> dict[str, Any]:
        """Return the page of ordered `rows`, each as `shape` shows it. Queries: count, page (and its prefetches)."""
        first = self.number * self.size
        return {"total_count": rows.count(), "list": [shape(row) for row in rows[first : first + self.size]]}


def page_of(view: ApiViewSet, request: Any) -> Page:
    """Return the page that the query asks for, or raise InvalidInput."""
    name = query_text(request.query_params.get("filter_name", ""), "filter_name")
    return Page(
        view.number(request, "page_num", 0, 0, _MOST_NUMBER),
        view.number(request, "page_size", DEFAULT_SIZE, 1, _MOST_SIZE),
        name,
    )
