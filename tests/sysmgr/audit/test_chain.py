"""The chain: the database refuses to change it, and what is changed all the same is found, a cut tail too."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from cluster.models import Cluster
from sysmgr import env
from sysmgr.accounts.models import Role, User
from sysmgr.audit import anchors, chain, triggers
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM, Actor, canonical, record
from sysmgr.events.models import Event
from sysmgr.management import standing
from sysmgr.management.health import examine
from tests.conftest import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rows(db: None) -> Iterator[None]:
    """Some rows, and no head written down before."""
    anchors.heads_file().unlink(missing_ok=True)
    for number in range(5):
        record(Actor("anna", "api", "192.0.2.7", "r"), "test", f"thing {number}", changes=[{"path": "é", "to": number}])
    yield
    anchors.heads_file().unlink(missing_ok=True)


def tamper(sql: str, *values: Any) -> None:
    with triggers.lifted(), connection.cursor() as cursor:
        cursor.execute(sql, values)


@pytest.mark.parametrize(
    "sql", ["UPDATE audit_auditrow SET object = 'x'", "DELETE FROM audit_auditrow", "TRUNCATE audit_auditrow"]
)
def test_the_database_refuses(sql: str) -> None:
    if sql.startswith("TRUNCATE") and connection.vendor == "sqlite":
        pytest.skip("SQLite has no TRUNCATE")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    for refused in (AuditRow.objects.all().delete, lambda: AuditRow.objects.update(object="x")):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            refused()
    assert chain.verify().intact and AuditRow.objects.count() == 5


def test_bad_rows_are_refused() -> None:
    for wrong in ({"seq": 0}, {"digest": AuditRow.objects.earliest("seq").digest}):
        row = {"seq": 99, "result": "success", "digest": "x", "door": "api", **wrong}
        with pytest.raises(DatabaseError), transaction.atomic():
            AuditRow.objects.create(**row)


def test_a_missing_trigger_is_told_and_put_back() -> None:
    assert triggers.missing() == []
    with connection.cursor() as cursor:
        for name in triggers._wanted():
            cursor.execute(f"DROP TRIGGER {name}" + (f" ON {triggers.TABLE}" if connection.vendor != "sqlite" else ""))
    assert len(triggers.missing()) == 2
    assert {finding.check: finding.state for finding in examine()}["audit"] == "failed"
    standing.show()
    from sysmgr.events.models import Alert

    assert Alert.objects.filter(key="installation.audit_triggers", close_time=None).exists()
    call_command("migrate", "audit", verbosity=0)
    assert triggers.missing() == []
    standing.show()
    assert not Alert.objects.filter(key="installation.audit_triggers", close_time=None).exists()


def test_an_untouched_chain_is_intact() -> None:
    found = chain.verify()
    head = AuditRow.objects.latest("seq")
    assert (found.intact, found.rows, found.head, found.first_broken) == (True, 5, head.digest, None)


@pytest.mark.parametrize("column", ["object", "user_name", "result", "changes", "time", "source", "request_id"])
def test_a_changed_row_is_named(column: str) -> None:
    value = "failed" if column == "result" else "[]" if column == "changes" else "forged"
    tamper(f"UPDATE audit_auditrow SET {column} = %s WHERE seq = 3", value)
    found = chain.verify()
    assert (found.intact, found.first_broken) == (False, 3) and "digest" in found.reason


def test_a_row_that_was_taken_out_is_named() -> None:
    tamper("DELETE FROM audit_auditrow WHERE seq = 3")
    assert (chain.verify().first_broken, chain.verify().intact) == (3, False)


def test_a_row_with_a_new_digest_breaks_the_next_one() -> None:
    row = AuditRow.objects.get(seq=3)
    row.object = "forged"
    values = [getattr(row, name) for name in chain.FIELDS[:-1]]
    import hashlib

    tamper("UPDATE audit_auditrow SET object = 'forged', digest = %s WHERE seq = 3", "")
    tamper("UPDATE audit_auditrow SET digest = %s WHERE seq = 3", hashlib.sha256(canonical(*values)).hexdigest())
    found = chain.verify()
    assert found.first_broken == 4 and "follow" in found.reason


def test_a_cut_tail_shows_once_the_head_was_written_down() -> None:
    tamper("DELETE FROM audit_auditrow WHERE seq = 5")
    assert chain.verify().intact
    record(SYSTEM, "test", "again")
    anchors.write_daily()
    tamper("DELETE FROM audit_auditrow WHERE seq = 5")
    found = chain.verify()
    assert (found.first_broken, found.anchor) == (5, 5) and "tail is cut" in found.reason
    record(SYSTEM, "test", "forged")
    assert "outside" in chain.verify().reason


def test_the_head_goes_outside_once_a_day_and_no_half_line_hurts() -> None:
    for _ in range(3):
        anchors.write_daily()
    path = anchors.heads_file()
    assert path.stat().st_mode & 0o777 == 0o600
    head = AuditRow.objects.latest("seq")
    assert anchors.read() == {head.seq: head.digest}
    assert Event.objects.filter(kind=anchors.EVENT).count() == 1
    path.write_text(path.read_text() + "2026-01-01T00:00:00Z 7 abc")
    anchors._append(f"2026-01-02T00:00:00Z 5 {head.digest}")
    assert anchors.read() == {head.seq: head.digest} and len(path.read_text().splitlines()) == 3


def test_what_a_restored_database_lost_is_accepted_with_a_reason() -> None:
    record(SYSTEM, "test", "newest")
    anchors.write_daily()
    tamper("DELETE FROM audit_auditrow WHERE seq > 3")
    with pytest.raises(CommandError, match="row 4: .*tail is cut"):
        call_command("audit_verify", stdout=StringIO())


@pytest.mark.django_db(transaction=True)
def test_accepting_is_in_the_audit_itself() -> None:
    anchors._append(f"2026-01-02T00:00:00Z 99 {'0' * 64}")
    assert not chain.verify().intact
    call_command("audit_verify", "--accept", "restored from Monday's backup", "--json", stdout=StringIO())
    found = chain.verify()
    row = AuditRow.objects.latest("seq")
    assert found.intact and found.anchor == row.seq
    assert (row.action, row.door, row.changes[0]["to"]) == ("audit.accept", "command", "restored from Monday's backup")


def test_the_command_verifies_database_and_export(tmp_path: Path) -> None:
    out = StringIO()
    call_command("audit_verify", "--json", stdout=out)
    assert json.loads(out.getvalue())["intact"] is True
    file = tmp_path / "audit.json"
    call_command("audit_export", "--output", str(file), stdout=StringIO())
    call_command("audit_verify", "--file", str(file), stdout=StringIO())
    file.write_text(file.read_text().replace("thing 2", "thing 9"))
    with pytest.raises(CommandError, match="row 3"):
        call_command("audit_verify", "--file", str(file), stdout=StringIO())
    file.write_text("{}")
    with pytest.raises(CommandError, match="no JSON export"):
        call_command("audit_verify", "--file", str(file), stdout=StringIO())
    with pytest.raises(CommandError, match="can't write"):
        call_command("audit_export", "--output", str(file), stdout=StringIO())


def test_a_removed_user_keeps_the_name(cluster: Cluster) -> None:
    User.objects.create_user("carol", None, role=Role.OPERATOR)
    record(Actor("carol", "api"), "test", "hers")
    User.objects.filter(user_name="carol").delete()
    assert AuditRow.objects.filter(user_name="carol").exists() and chain.verify().intact


def test_hostile_names_are_recorded_as_every_database_keeps_them() -> None:
    row = record(Actor("a\0b\ud800c\n" + "x" * 100, "api", "s" * 100, "r" * 100), "test", "o\0" + "y" * 300)
    assert row.user_name.startswith("a\\u0000b\\ud800c\\u000ax") and len(row.user_name) == 64
    assert chain.verify().intact


def test_auditors_read_and_operators_do_not(cluster: Cluster) -> None:
    for path in ("verify", "list", "export"):
        for role, status in ((Role.AUDITOR, 200), (Role.ADMINISTRATOR, 200), (Role.OPERATOR, 403)):
            user = User.objects.filter(user_name=f"a-{role}")
            user.delete()
            assert client_of(role).get(f"/v1/system/audit/{path}").status_code == status
    assert os.path.dirname(anchors.heads_file()) == str(env.DATA_DIR)  # noqa: PTH120
