"""Every command that writes, run with success: each leaves a row of its door in the audit, none a secret anywhere."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext, suppress
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command, get_commands
from django.utils import timezone

from cluster.models import Cluster, LeaderLease
from settings_app.models import SettingRevision
from settings_app.services import update_settings
from sysmgr import env, rotation
from sysmgr.accounts import factor
from sysmgr.accounts.models import ApiKey, LoginGuard, User
from sysmgr.accounts.passwords import first_password_file
from sysmgr.audit import anchors
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM, Actor
from sysmgr.events.models import Event
from sysmgr.management import setup_steps
from tests.settings_app.code.lines import target
from tests.sysmgr.accounts.calls import enter_api
from tests.test_house_rules import APPS
from tests.upgrades import tus
from tests.upgrades.engine.drive import IP, root
from upgrades.package.sign import public_key_text

from .traces import Trace

# What they do is no change of the product's state, or is walked by another name.
READS = {
    "access_explain": "reads",
    "apikey_list": "reads",
    "audit_export": "reads",
    "backups": "reads",
    "build_package": "makes a file for whoever runs it; knows no installation",
    "create_signing_key": "makes a file for whoever runs it; knows no installation",
    "doctor": "reads",
    "drill": "works in an installation of its own, which it removes",
    "host_export": "reads",
    "package_check": "tries a package on a throw-away host and removes that again",
    "package_init": "makes a folder for whoever runs it; knows no installation",
    "run_manager": "drives what other doors asked for; runs are walked at the API",
    "serve": "its set-up is walked below",
    "settings_drift": "reads",
    "settings_export": "reads",
    "settings_pending": "reads",
    "settings_plan": "reads",
    "settings_revisions": "reads",
    "settings_show": "reads",
    "ssh_key": "reads",
    "user_list": "reads",
    "write_docs": "writes into the source tree",
}
FIRST, SECOND, THIRD = "Planted-Password-1", "Planted-Password-2", "Planted-Password-3"

pytestmark = pytest.mark.django_db(transaction=True)


class Commands(Trace):
    """Runs commands; secrets reach them by files."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def file(self, text: str) -> str:
        """Return the name of a file that holds a secret."""
        path = self._folder / f"secret-{len(list(self._folder.iterdir()))}"
        path.write_text(text)
        return str(path)

    def run(self, *words: str) -> Any:
        """Run a command that must leave a row at the commands' door; return what it prints as JSON."""
        out = StringIO()
        rows = AuditRow.objects.filter(door="command")
        before = rows.count()
        call_command(*words, "--json", stdout=out)
        self.called.add(words[0])
        if rows.count() == before:
            self.silent.append(words[0])
        return json.loads(out.getvalue())


@pytest.fixture
def trace(tmp_path: Path) -> Commands:
    folder = tmp_path / "secrets"
    folder.mkdir()
    return Commands(folder)


def made_up(facts: dict[str, Any]) -> str:
    """Return the password that a command wrote to a file."""
    return Path(facts["password_file"]).read_text().strip()


def random_part(facts: dict[str, Any]) -> str:
    return re.split("[/?=#]", facts["password_link"])[-1]


def users(trace: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users, passwords, locks, second factors and keys."""
    trace.run("create_admin", "root", "--password-file", trace.file(FIRST))
    trace.told(made_up(trace.run("create_admin", "other", "--generate")))
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", SECOND)
    trace.run("createsuperuser", "--user_name", "third", "--noinput")
    trace.told(random_part(trace.run("user_create", "carol", "--role", "operator")))
    trace.run("user_update", "carol", "--email", "carol@example.com")
    trace.told(random_part(trace.run("reset_password", "carol", "--link")))
    trace.told(made_up(trace.run("reset_password", "carol", "--generate")))
    trace.run("changepassword", "carol", "--password-file", trace.file(THIRD))
    for _ in range(3):
        enter_api("Planted-Guess-1", "carol")
    trace.told("Planted-Guess-1")
    assert LoginGuard.objects.filter(user_name="carol").exists()
    trace.run("unlock_user", "carol")
    carol = User.objects.get(user_name="carol")
    enrolled = factor.enroll(carol, Actor("carol", "api"))
    trace.told(enrolled.secret)
    trace.run("reset_second_factor", "carol")
    trace.told(trace.run("apikey_create", "carol", "--name", "k")["key"])
    trace.run("apikey_remove", str(ApiKey.objects.get().pk))
    trace.run("user_remove", "carol")


def settings(trace: Commands, cluster: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, and the key that seals their secrets."""
    password = f"mail_setting.smtp_password=@{trace.file('planted-smtp')}"
    trace.run("settings_set", password, "mail_setting.smtp_account=a", "--confirm-within", "600")
    trace.run("settings_confirm")
    monkeypatch.setenv("SYSMGR_SECRET_WALK", "planted-community")
    document = folder / "settings.json"
    document.write_text(
        json.dumps({"snmp_settings": {"snmps": [target(community={"from_environment": "SYSMGR_SECRET_WALK"})]}})
    )
    newest = trace.run("settings_apply", str(document))["revision"]
    update_settings(cluster, {"storage_setting": {"hop_hc": 7}}, SYSTEM)
    trace.run("settings_restore", str(newest), "--section", "storage_setting")
    monkeypatch.setattr(rotation, "RETIRE_AFTER_SECONDS", 0)
    trace.run("rotate_secret_key")
    trace.run("rotate_secret_key", "--retire")


def hosts(trace: Commands, folder: Path) -> None:
    """Hosts from a file."""
    file = folder / "hosts.csv"
    file.write_text("host_ip,transport,root,services\n192.0.2.9,ssh,/srv/x,cloud\n")
    trace.run("host_import", str(file))


def upgrades(trace: Commands, folder: Path, whole: bytes) -> None:
    """Packages, trust, and a run that nobody waits for."""
    trace.run("trust_add", "vendor", public_key_text(Ed25519PrivateKey.generate()))
    package = folder / tus.NAME
    package.write_bytes(whole)
    trace.run("import_package", str(package))
    other, fence = "8b0f2a51-0c1e-4a3e-9a77-4d8f2f6f0c11", root(IP) / ".sysmgr" / "fence"
    fence.parent.mkdir(exist_ok=True)
    fence.write_text(f"{other} 1\n")
    trace.run("host_take_over", IP, "--from", other, "--reason", "moved here")
    trace.run("upgrade", IP, "storage", "--to", "1.5", "--yes", "--detach")


def test_each_command_leaves_a_row_and_no_secret_anywhere(
    demo_cluster: Cluster,
    unstored: bytes,
    term: int,
    trace: Commands,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    LeaderLease.objects.update(expires_at=timezone.now() + timedelta(days=1))
    users(trace, monkeypatch)
    settings(trace, demo_cluster, tmp_path, monkeypatch)
    hosts(trace, tmp_path)
    upgrades(trace, tmp_path, unstored)
    assert trace.run("audit_verify", "--accept", "walk")["accepted"] == AuditRow.objects.count()
    assert anchors.read()
    assert trace.silent == []
    assert trace.leaks(caplog.text) == []
    ours = {name for name, app in get_commands().items() if str(app).partition(".")[0] in APPS}
    assert ours - READS.keys() - trace.called == set()
    assert READS.keys() - ours == set()
    assert trace.called & READS.keys() == set()


def test_the_set_up_of_serve_leaves_a_row_and_no_secret(
    db: None, trace: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(env, "DATA_DIR", tmp_path)
    setup_steps.first_administrator()
    trace.told(first_password_file().read_text().strip())
    row = AuditRow.objects.get()
    assert (row.door, row.action, row.object) == ("command", "user.create", "user admin")
    assert trace.leaks(caplog.text) == []


def test_what_is_said_to_read_writes_nothing(demo_cluster: Cluster, tmp_path: Path) -> None:
    document, audit = str(tmp_path / "settings.yaml"), str(tmp_path / "audit.json")
    words = {name: [name] for name, why in READS.items() if why == "reads"}
    words["access_explain"] += ["192.0.2.1"]
    words["audit_export"] += ["--output", audit]
    words["settings_export"] += ["--output", document]
    words["settings_drift"] += [document]
    words["settings_plan"] += [document]
    before = AuditRow.objects.count(), Event.objects.count(), SettingRevision.objects.count()
    for name in sorted(words, key=lambda name: name != "settings_export"):
        with suppress(CommandError) if name == "doctor" else nullcontext():  # this installation is none
            call_command(*words[name], stdout=StringIO())
    assert (AuditRow.objects.count(), Event.objects.count(), SettingRevision.objects.count()) == before
