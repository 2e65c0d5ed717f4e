"""`manage.py rotate_secret_key`: whatever happens and whenever, every stored secret can be read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import QuerySet

from cluster.models import Cluster
from settings_app.models import MailSetting, SnmpSettings, SnmpTarget
from settings_app.services import create_defaults
from sysmgr import crypto, env, rotation
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)
TARGETS = 3


class Killed(BaseException):
    """What a test raises where a kill would end the process: nobody catches it, transactions are rolled back."""


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The key file of an installation of the test's own, with secrets in two clusters and two models."""
    monkeypatch.setattr(env, "DATA_DIR", tmp_path)
    monkeypatch.setattr(rotation, "RETIRE_AFTER_SECONDS", 0)
    for place, name in enumerate(("one", "two")):
        made = Cluster.objects.create(name=name, default=place == 0)
        create_defaults(made, SYSTEM)
        MailSetting.objects.filter(cluster=made).update(smtp_password=f"mail {name}")
        section = SnmpSettings.objects.get(cluster=made)
        SnmpTarget.objects.bulk_create(
            SnmpTarget(settings=section, ordinal=n, name=f"t{n}", version="v3", host="192.0.2.1", auth_password=f"a{n}")
            for n in range(TARGETS)
        )
    return crypto.keys_file()


def secrets() -> list[str]:
    """Return all secrets in clear."""
    mail = [row.smtp_password.reveal() for row in MailSetting.objects.order_by("smtp_server_ip", "cluster__name")]
    return mail + [row.auth_password.reveal() for row in SnmpTarget.objects.order_by("settings__cluster__name", "name")]


ALL = ["mail one", "mail two", *[f"a{n}" for n in range(TARGETS)] * 2]


def rotate(*words: str) -> dict[str, Any]:
    out = StringIO()
    call_command("rotate_secret_key", *words, "--json", stdout=out)
    facts: dict[str, Any] = json.loads(out.getvalue())
    return facts


def stored() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT smtp_password FROM settings_app_mailsetting ORDER BY smtp_password")
        return "".join(row[0] for row in cursor.fetchall())


def test_rotate_then_retire_and_each_again(keys: Path) -> None:
    before, first = stored(), keys.read_text()
    assert rotate() == {"secrets": 8, "resealed": 8, "keys": 2, "retired": 0}
    assert secrets() == ALL
    assert keys.read_text().endswith(first) and keys.stat().st_mode & 0o777 == 0o600
    assert stored() != before
    both = keys.read_text()
    assert rotate() == {"secrets": 8, "resealed": 0, "keys": 2, "retired": 0}
    assert keys.read_text() == both
    assert rotate("--retire") == {"secrets": 8, "resealed": 0, "keys": 1, "retired": 1}
    assert secrets() == ALL
    assert keys.read_text() == both.splitlines()[0] + "\n"
    assert rotate("--retire") == {"secrets": 8, "resealed": 0, "keys": 1, "retired": 0}
    assert list(AuditRow.objects.order_by("seq").values_list("action", flat=True))[-3:] == [
        "secret_key.rotate",
        "secret_key.rotate",
        "secret_key.retire",
    ]


def test_a_dry_run_changes_nothing(keys: Path) -> None:
    MailSetting.objects.first()
    before = stored(), keys.read_text(), AuditRow.objects.count()
    assert rotate("--dry-run") == {"secrets": 8, "resealed": 0, "keys": 1, "retired": 0}
    assert (stored(), keys.read_text(), AuditRow.objects.count()) == before


def test_one_unreadable_secret_stops_it_before_anything_is_changed(keys: Path) -> None:
    target = SnmpTarget.objects.all()[0]
    foreign = Fernet(crypto.new_key()).encrypt(b"x").decode()
    SnmpTarget.objects.filter(pk=target.pk).update(community=crypto.Secret(stored=f"enc:1:{foreign}"))
    before = stored(), keys.read_text()
    for words in ((), ("--retire",), ("--dry-run",)):
        with pytest.raises(CommandError, match=f"SnmpTarget {target.pk}.community") as error:
            rotate(*words)
        assert "\n" not in str(error.value)
    assert (stored(), keys.read_text()) == before


def test_old_keys_stay_while_a_replica_may_still_write_with_them(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rotate()
    monkeypatch.setattr(rotation, "RETIRE_AFTER_SECONDS", 3600)
    with pytest.raises(CommandError, match="in 3[56]"):
        rotate("--retire")
    assert len(crypto.read_keys()) == 2


def test_what_a_late_replica_wrote_is_sealed_anew_before_its_key_goes(keys: Path) -> None:
    old = keys.read_text().strip()
    rotate()
    late = "enc:1:" + Fernet(old).encrypt(b"late").decode()
    MailSetting.objects.filter(cluster__name="two").update(smtp_password=crypto.Secret(stored=late))
    assert rotate("--retire")["resealed"] == 1
    assert secrets() == ["mail one", "late", *ALL[2:]]


def test_a_second_rotation_at_once_is_refused(keys: Path) -> None:
    with rotation._alone(), pytest.raises(CommandError, match="under way"):
        rotate()


@pytest.mark.parametrize("words", [(), ("--retire",)])
def test_killed_at_any_moment_every_secret_can_be_read_and_a_repetition_ends_it(
    keys: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    if words:
        old = keys.read_text().strip()
        rotate()
        late = "enc:1:" + Fernet(old).encrypt(b"mail two").decode()
        MailSetting.objects.filter(cluster__name="two").update(smtp_password=crypto.Secret(stored=late))
    left = 0

    def mortal(real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed
            done = real(*args, **kwargs)
            left -= 1
            if left == 0:
                raise Killed
            return done

        return call

    for owner, name in ((os, "fsync"), (Path, "replace"), (QuerySet, "update"), (rotation, "record")):
        monkeypatch.setattr(owner, name, mortal(getattr(owner, name)))
    moment = 0
    while True:
        moment += 1
        left = moment
        try:
            rotate(*words)
            break
        except Killed:
            left = 0
            assert secrets() == ALL, f"after being killed at moment {moment}"
    assert moment > 5
    left = 0
    assert secrets() == ALL
    assert len(crypto.read_keys()) == (1 if words else 2)
    assert [path.name for path in keys.parent.iterdir()] == ["field-keys"]


def test_a_process_that_runs_reads_and_writes_with_the_new_key_without_a_restart(keys: Path) -> None:
    """This process is the replica: another one rotates and retires beside it, on the same key file."""
    assert secrets() == ALL
    mine = crypto.Secret(clear="written before").sealed()
    code = (
        "from sysmgr import crypto; keys = [crypto.new_key(), *crypto.read_keys()]; crypto.write_keys(keys);"
        "print(crypto.Secret(clear='theirs').sealed())"
    )
    environment = {**os.environ, "SYSMGR_DATA_DIR": str(env.DATA_DIR)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert crypto.Secret(stored=done.stdout.strip()).reveal() == "theirs"
    assert crypto.Secret(stored=mine).reveal() == "written before"
    newest = Fernet(crypto.read_keys()[0])
    assert newest.decrypt(crypto.Secret(clear="mine").sealed().removeprefix("enc:1:").encode()) == b"mine"


def test_every_encrypted_field_is_found() -> None:
    found = {f"{model._meta.label}.{column}" for model, column in rotation.secret_columns()}
    assert {
        "settings_app.MailSetting.smtp_password",
        "settings_app.SnmpTarget.community",
        "settings_app.SnmpTarget.auth_password",
        "settings_app.SnmpTarget.priv_password",
    } <= found
