"""`manage.py settings_show` and `settings_set`: the same service and the same rules as at every other door."""

from __future__ import annotations

import io
import json
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from cluster.models import Cluster
from settings_app.models import MailSetting, PendingChange, SettingRevision, SnmpTarget
from settings_app.selectors import render_settings
from sysmgr.audit.models import AuditRow
from sysmgr.crypto import MASK

pytestmark = pytest.mark.usefixtures("cluster")
TARGET = {
    "name": "t",
    "enabled": True,
    "version": "v2c",
    "host": "192.0.2.1",
    "port": 162,
    "community": "very secret",
    "user": "",
    "auth_protocol": "",
    "auth_password": "",
    "priv_protocol": "",
    "priv_password": "",
}


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def change(*words: str) -> Any:
    return json.loads(run("settings_set", *words, "--json"))


def pipe(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_show_is_what_inspect_shows(cluster: Cluster) -> None:
    assert json.loads(run("settings_show", "--json")) == render_settings(cluster.pk)
    assert json.loads(run("settings_show", "login_policy", "--json"))["token_expire_second"] == 2592000
    assert json.loads(run("settings_show", "login_policy.token_expire_second", "--json")) == 2592000
    assert run("settings_show", "login_policy.token_expire_second") == "login_policy.token_expire_second  2592000\n"
    lines = run("settings_show").splitlines()
    assert "access_control_policy.ip_access_control_policy.ip_ranges.ranges  []" in lines
    assert "snmp_settings.snmps  null" in lines


def test_set_is_one_revision_through_the_service(cluster: Cluster) -> None:
    before = SettingRevision.objects.count()
    words = (
        "login_policy.token_expire_second=3600",
        "mail_setting.smtp_account=12345",
        "access_control_policy.ip_access_control_policy.enabled=false",
        'access_control_policy.ip_access_control_policy.ip_ranges.ranges=["10.0.0.0/8"]',
        "--reason",
        "because",
    )
    facts = change(*words)
    assert [entry["path"] for entry in facts["changes"]] == [
        "login_policy.token_expire_second",
        "mail_setting.smtp_account",
        "access_control_policy.ip_access_control_policy.ip_ranges.ranges",
    ]
    revision = SettingRevision.objects.latest("number")
    assert (revision.number, revision.door, revision.reason) == (facts["revision"], "command", "because")
    assert SettingRevision.objects.count() == before + 1
    assert AuditRow.objects.latest("seq").door == "command"
    assert change(*words) == {"revision": None, "changes": []}
    assert run("settings_set", *words) == "nothing differs; nothing was changed\n"
    assert MailSetting.objects.get().smtp_account == "12345"


def test_secrets_come_from_a_file_or_standard_input_and_are_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe(monkeypatch, "hush=hush\n")
    told = run("settings_set", "mail_setting.smtp_password=@-")
    assert MailSetting.objects.get().smtp_password.reveal() == "hush=hush"
    (tmp_path / "targets").write_text(json.dumps([TARGET]))
    told += run("settings_set", f"snmp_settings.snmps=@{tmp_path / 'targets'}")
    assert SnmpTarget.objects.get().community.reveal() == "very secret"
    told += run("settings_show") + run("settings_show", "--json")
    assert "hush" not in told and "very secret" not in told and MASK in told
    assert "hush" not in json.dumps([*AuditRow.objects.values("changes"), *SettingRevision.objects.values("diff")])
    assert change("mail_setting.smtp_password=")["changes"][0]["path"] == "mail_setting.smtp_password"
    assert not MailSetting.objects.get().smtp_password


def test_a_text_may_begin_with_the_sign_of_files() -> None:
    change("mail_setting.sender_name=@@home")
    assert MailSetting.objects.get().sender_name == "@home"


@pytest.mark.alike
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("login_policy.token_expire_second",), "must be path=value"),
        (("login_policy.nothing=1",), "login_policy.nothing: is no setting"),
        (("=1",), "is no setting"),
        (("login_policy=",), "must be JSON"),
        (("login_policy.token_expire_second=5.0",), "login_policy.token_expire_second: "),
        (("login_policy.token_expire_second=NaN",), "cannot be read"),
        (("login_policy.token_expire_second=soon",), "must be JSON"),
        (("login_policy.token_expire_second=59",), "login_policy.token_expire_second: "),
        (("login_policy.token_expire_second=3600", "mail_setting.smtp_server_port=0"), "smtp_server_port"),
        (("mail_setting.sender_name=a\x01",), "control characters"),
        (("mail_setting.smtp_password=clear",), "mail_setting.smtp_password: is a secret"),
        (('mail_setting={"smtp_password": "clear"}',), "mail_setting.smtp_password|mail_setting: is a secret"),
        ((f"snmp_settings.snmps={json.dumps([TARGET])}",), "snmp_settings.snmps: is a secret"),
        (("mail_setting.sender_name=@/no/such",), "can't read /no/such"),
        (("login_policy.token_expire_second=3600", "--if-revision", "7"), "at revision 1, not 7"),
        (("login_policy.token_expire_second=3600", "--reason", "x" * 256), "reason: "),
        (("storage_setting.hop_hc=1", "--cluster", "00000000-0000-0000-0000-000000000001"), "cluster_uuid: "),
    ],
)
def test_what_cannot_be_set_is_one_clear_error_and_changes_nothing(words: tuple[str, ...], told: str) -> None:
    with pytest.raises(CommandError, match=told) as error:
        run("settings_set", *words)
    assert "\n" not in str(error.value) and "clear" not in str(error.value)
    assert SettingRevision.objects.count() == 1


@pytest.mark.parametrize("path", ["nothing", "login_policy.nothing", "storage_setting.hop_hc.x", "."])
def test_an_unknown_path_is_one_clear_error(path: str) -> None:
    with pytest.raises(CommandError, match="is no setting"):
        run("settings_show", path)


def test_a_change_may_wait_for_its_confirmation() -> None:
    change("storage_setting.hop_hc=5", "--confirm-within", "60")
    with pytest.raises(CommandError, match="confirm_within_seconds"):
        change("storage_setting.hop_hc=6", "--confirm-within", "0")
    with pytest.raises(CommandError, match="if_revision: "):
        run("settings_confirm", "--if-revision", "1")
    assert run("settings_confirm") == "revision 2 stands\n"
    assert run("settings_confirm") == "nothing waits for its confirmation\n"
    assert json.loads(run("settings_confirm", "--json")) == {"revision": None}
    change("storage_setting.hop_hc=6", "--confirm-within", "60")
    PendingChange.objects.update(deadline=timezone.now())
    with pytest.raises(CommandError, match="revision 3 was taken back"):
        run("settings_confirm")
    assert json.loads(run("settings_show", "storage_setting.hop_hc", "--json")) == 5
