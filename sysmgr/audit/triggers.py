"""The database itself refuses to change or remove audit rows: triggers, installed after each migration.

A rebuild of the table drops them without a word (SQLite rebuilds tables when it migrates), so they are put back each
time, and `missing` tells doctor and alerts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

TABLE = "audit_auditrow"
_SQLITE = {
    f"audit_no_{what}": f"CREATE TRIGGER IF NOT EXISTS audit_no_{what} BEFORE {what.upper()} ON {TABLE} "
    "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
    for what in ("update", "delete")
}
_FUNCTION = (
    "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$"
)
_POSTGRESQL = {
    "audit_no_change": f"CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON {TABLE} "
    "FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "audit_no_truncate": f"CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON {TABLE} "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
}


def _wanted() -> dict[str, str]:
    return _POSTGRESQL if connection.vendor == "postgresql" else _SQLITE


def missing() -> list[str]:
    """Return the names of the triggers that are not there, or are switched off. Queries: one."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass(%s) AND tgenabled <> 'D'", [TABLE]
            )
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s", [TABLE])
        there = {row[0] for row in cursor.fetchall()}
    return sorted(_wanted().keys() - there)


@transaction.atomic
def install(**kwargs: Any) -> list[str]:
    """Put back what is missing, and return it; also what Django calls after each migration."""
    if TABLE not in connection.introspection.table_names():
        return []  # migrated back to before there was an audit
    found = missing()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql" and found:
            cursor.execute(_FUNCTION)
        for name in found:
            if connection.vendor == "postgresql":
                cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {TABLE}")  # one that is switched off
            cursor.execute(_wanted()[name])
    return found


@contextmanager
def lifted() -> Iterator[None]:
    """Let rows be removed inside; for tests, which empty their database between each other. Nothing else calls it."""
    with connection.cursor() as cursor:
        for name in _wanted():
            on = f" ON {TABLE}" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")
    try:
        yield
    finally:
        install()
