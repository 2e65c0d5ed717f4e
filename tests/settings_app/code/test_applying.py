"""Plan, apply, drift: what a file would change, changes, and how the stored settings differ from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError

from cluster.models import Cluster
from settings_app.models import MailSetting, PendingChange, SettingRevision, SnmpTarget
from settings_app.selectors import render_settings
from settings_app.services import update_settings
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM

from .lines import TRICKY, run, target

pytestmark = pytest.mark.usefixtures("cluster")
MAIL = "SYSMGR_SECRET_SMTP_PASSWORD"
COMMUNITY = "SYSMGR_SECRET_SNMP_NOC_COMMUNITY"
SECRETS: dict[str, Any] = {"mail_setting": {"smtp_password": "hush"}, "snmp_settings": {"snmps": [target()]}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that changes two keys."""
    path = tmp_path / "settings.yaml"
    path.write_text("storage_setting:\n  hop_hc: 7\nmail_setting:\n  sender_name: no\n")
    return path


def facts(command: str, *words: str) -> tuple[int, Any]:
    code, said = run(command, *words, "--json")
    return code, json.loads(said)


def exported(folder: Path) -> str:
    """Export into a file and return its name."""
    run("settings_export", "--output", str(folder / "exported"))
    return str(folder / "exported")


def test_a_plan_says_what_apply_does_and_stores_nothing(file: Path, cluster: Cluster) -> None:
    before = render_settings(cluster.pk)
    code, said = run("settings_plan", str(file))
    lines = said.splitlines()
    assert code == 0
    assert lines[0] == f'mail_setting.sender_name: {json.dumps(before["mail_setting"]["sender_name"])} -> "no"'
    assert lines[1].startswith("storage_setting.hop_hc: ") and lines[1].endswith(" -> 7")
    assert "effect: mail_setting.sender_name: with the next mail" in lines
    assert run("settings_plan", str(file), "--exit-code")[0] == 2
    plan = facts("settings_plan", str(file))[1]
    assert list(plan) == ["changes", "effects", "refusals"]
    assert render_settings(cluster.pk) == before and SettingRevision.objects.count() == 1
    assert facts("settings_apply", str(file)) == (0, {"revision": 2, "changes": plan["changes"]})
    assert run("settings_plan", str(file), "--exit-code") == (0, "nothing differs\n")


def test_applied_again_nothing_changes(file: Path) -> None:
    code, said = run("settings_apply", str(file), "--reason", "as code")
    assert (code, said.splitlines()[-1]) == (0, "revision 2")
    revision = SettingRevision.objects.latest("number")
    assert (revision.door, revision.reason) == ("command", "as code")
    assert AuditRow.objects.latest("seq").action == "setting.update"
    assert run("settings_apply", str(file)) == (0, "nothing differs; nothing was changed\n")
    assert facts("settings_apply", str(file))[1] == {"revision": None, "changes": []}
    with pytest.raises(CommandError, match="if_revision: "):
        run("settings_apply", str(file), "--if-revision", "1")
    with pytest.raises(CommandError, match="if_revision: "):
        run("settings_plan", str(file), "--if-revision", "1")


def test_an_export_is_its_own_fixed_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> None:
    update_settings(cluster, SECRETS, SYSTEM)
    for text in TRICKY:
        update_settings(cluster, {"mail_setting": {"sender_name": text}}, SYSTEM)
        name = exported(tmp_path)
        monkeypatch.setenv(MAIL, "hush")
        monkeypatch.setenv(COMMUNITY, "very secret")
        assert run("settings_drift", name) == (0, "the stored settings agree with the file\n")
        assert facts("settings_apply", name)[1]["revision"] is None


def test_a_change_may_wait_for_its_confirmation(file: Path) -> None:
    said = run("settings_apply", str(file), "--confirm-within", "60")[1]
    assert said.endswith("taken back in 60 s unless settings_confirm comes before\n")
    assert run("settings_pending")[1].startswith("revision 2 is taken back at 20")
    pending = facts("settings_pending")[1]["pending"]
    assert pending == {"revision": 2, "deadline": int(PendingChange.objects.get().deadline.timestamp())}
    file.write_text("storage_setting: {hop_hc: 8}")
    with pytest.raises(CommandError, match="waits for its confirmation until 20"):
        run("settings_apply", str(file))
    code, said = run("settings_plan", str(file), "--exit-code")
    assert code == 1 and "warning: would be refused: Revision 2 of these settings waits" in said
    run("settings_confirm")
    assert run("settings_pending") == (0, "nothing waits for its confirmation\n")
    assert facts("settings_pending")[1] == {"pending": None}
    for wrong in ("0", "3601"):
        with pytest.raises(CommandError, match="confirm_within_seconds"):
            run("settings_apply", str(file), "--confirm-within", wrong)


def test_secrets_come_from_the_environment_and_are_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    update_settings(cluster, SECRETS, SYSTEM)
    name = exported(tmp_path)
    for command in ("settings_plan", "settings_apply"):
        with pytest.raises(CommandError, match=f"smtp_password: needs the variable {MAIL}, .*snmps.0..*{COMMUNITY}"):
            run(command, name)
    monkeypatch.setenv(MAIL, "other hush")
    monkeypatch.setenv(COMMUNITY, "")
    with pytest.raises(CommandError, match=f"{COMMUNITY}, which is not set or empty"):
        run("settings_apply", name)
    assert SettingRevision.objects.count() == 2
    monkeypatch.setenv(COMMUNITY, "other secret")
    told = ""
    for command in ("settings_plan", "settings_drift", "settings_apply"):
        told += run(command, name, "--json")[1] if command != "settings_apply" else ""
        told += (said := run(command, name)[1])
        assert "mail_setting.smtp_password: another secret" in said.splitlines()
        assert "snmp_settings.snmps[0].community: another secret" in said.splitlines()
    assert MailSetting.objects.get().smtp_password.reveal() == "other hush"
    assert SnmpTarget.objects.get().community.reveal() == "other secret"
    told += json.dumps([*AuditRow.objects.values("changes"), *SettingRevision.objects.values("diff", "snapshot")])
    assert "hush" not in told and 'secret"' not in told.replace("another secret", "") and "very" not in told
    monkeypatch.setenv(MAIL, "a\nb")
    with pytest.raises(CommandError, match=r"mail_setting.smtp_password: .*control characters") as error:
        run("settings_apply", name)
    monkeypatch.setenv(MAIL, "hush" * 64)
    with pytest.raises(CommandError, match=r"mail_setting.smtp_password: ") as longer:
        run("settings_apply", name)
    assert "a\nb" not in str(error.value) and "hush" not in str(longer.value)


def test_a_mask_or_nothing_keeps_a_secret_and_empty_takes_it_away(tmp_path: Path, cluster: Cluster) -> None:
    update_settings(cluster, SECRETS, SYSTEM)
    file = tmp_path / "part.yaml"
    for text in ("mail_setting: {smtp_password: '********', enabled: true}", "mail_setting: {enabled: false}"):
        file.write_text(text)
        run("settings_apply", str(file))
        assert MailSetting.objects.get().smtp_password.reveal() == "hush"
    file.write_text("mail_setting: {smtp_password: ''}")
    assert run("settings_drift", str(file))[0] == 2
    run("settings_apply", str(file))
    assert not MailSetting.objects.get().smtp_password


def test_drift_tells_what_differs_and_what_it_could_not_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    update_settings(cluster, SECRETS, SYSTEM)
    name = exported(tmp_path)
    code, said = run("settings_drift", name)
    assert (code, said.splitlines()) == (
        0,
        [
            f"mail_setting.smtp_password: not compared, {MAIL} is not set",
            f"snmp_settings.snmps[0].community: not compared, {COMMUNITY} is not set",
            "the stored settings agree with the file",
        ],
    )
    monkeypatch.setenv(MAIL, "hush")
    update_settings(cluster, {"storage_setting": {"hop_hc": 9}}, SYSTEM)
    code, found = facts("settings_drift", name)
    assert (code, found["drift"]) == (2, True)
    assert [(entry["path"], entry["from"]) for entry in found["changes"]] == [("storage_setting.hop_hc", 9)]
    assert found["not_compared"] == [{"path": "snmp_settings.snmps[0].community", "variable": COMMUNITY}]
    update_settings(cluster, {"snmp_settings": {"snmps": [target("other")]}}, SYSTEM)
    entries = facts("settings_drift", name)[1]["changes"]
    assert [entry["path"] for entry in entries] == ["storage_setting.hop_hc", "snmp_settings.snmps"]
    assert "very secret" not in json.dumps(entries) and SettingRevision.objects.count() == 4


def test_drift_compares_what_the_file_names(tmp_path: Path, cluster: Cluster) -> None:
    policy = {"enabled": False, "time_zone": "UTC", "whitelist": True, "windows": []}
    update_settings(cluster, {"access_control_policy": {"time_access_control_policy": policy}}, SYSTEM)
    file = tmp_path / "part.yaml"
    file.write_text("access_control_policy: {time_access_control_policy: {time_zone: UTC}}\nmail_setting: {}")
    assert run("settings_drift", str(file))[0] == 0
    file.write_text("access_control_policy: {time_access_control_policy: null}")
    assert run("settings_drift", str(file))[0] == 2
    file.write_text("mail_setting: {smtp_server_port: 26, smtp_password: '********'}")
    assert run("settings_drift", str(file))[1].splitlines() == [
        "mail_setting.smtp_server_port: 25 -> 26",
        "mail_setting.smtp_password: not compared, the file masks it",
    ]


def test_revisions_are_listed_shown_and_brought_back(file: Path) -> None:
    run("settings_apply", str(file), "--reason", "as code")
    found = facts("settings_revisions")[1]
    assert (found["total_count"], [one["revision"] for one in found["list"]]) == (2, [2, 1])
    first = run("settings_revisions", "--limit", "1")[1].splitlines()
    assert len(first) == 1 and first[0].endswith("(as code)  mail_setting.sender_name, storage_setting.hop_hc")
    assert run("settings_revisions", "2")[1].splitlines()[-1].endswith(" -> 7")
    assert facts("settings_revisions", "2")[1]["diff"][1]["to"] == 7
    said = run("settings_restore", "1", "--section", "storage_setting", "--reason", "back")[1].splitlines()
    assert said[0].startswith("storage_setting.hop_hc: 7 -> ") and said[1] == "revision 3"
    assert facts("settings_restore", "1")[1]["revision"] == 4
    assert run("settings_restore", "1") == (0, "nothing differs; nothing was changed\n")
    for number in ("9", "0", "-1", "99999999999999999999"):
        for command in ("settings_revisions", "settings_restore"):
            with pytest.raises(CommandError, match="no revision|settings"):
                run(command, number)
    for limit in ("0", "1001", "x"):
        with pytest.raises(CommandError, match="limit"):
            run("settings_revisions", "--limit", limit)
