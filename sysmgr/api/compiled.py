"""A query whose SQL is built once: for a small hot read Django spends more on building it than on running it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.db.models import QuerySet


class Compiled:
    """A `values_list` query over marks, run again and again with other values in their places.

    `build` gets one mark for each value; a mark must be no other parameter of the query.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Any]], *marks: str | uuid.UUID) -> None:
        self._build, self._marks = build, marks
        self._known: dict[str, tuple[str, list[Any], dict[int, Any]]] = {}

    def first(self, *values: str | uuid.UUID) -> list[Any] | None:
        """Return the first row as Django would convert it, or None. Queries: one."""
        sql, parameters, converters = self._compiled()
        places = dict(zip(map(_adapted, self._marks), map(_adapted, values), strict=True))
        with connection.cursor() as cursor:
            cursor.execute(sql, [places.get(parameter, parameter) for parameter in parameters])
            found = cursor.fetchone()
        if found is None:
            return None
        row = list(found)
        for place, (functions, expression) in converters.items():
            for function in functions:
                row[place] = function(row[place], expression, connection)
        return row

    def _compiled(self) -> tuple[str, list[Any], dict[int, Any]]:
        known = self._known.get(connection.vendor)
        if known is None:
            compiler = self._build(*self._marks).query.get_compiler(connection=connection)
            sql, parameters = compiler.as_sql()
            converters = compiler.get_converters([column[0] for column in compiler.select])
            known = self._known[connection.vendor] = sql, list(parameters), converters
        return known


def _adapted(value: str | uuid.UUID) -> Any:
    """Return the value as Django hands it to the database's driver."""
    return value.hex if isinstance(value, uuid.UUID) and not connection.features.has_native_uuid_field else value
