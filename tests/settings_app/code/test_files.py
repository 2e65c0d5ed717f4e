"""The file of settings: stable, readable, without secrets; whatever is doubtful in one is refused with its path."""

from __future__ import annotations

import json
from io import BytesIO, TextIOWrapper
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import yaml
from django.core.management import CommandError

from cluster.models import Cluster
from settings_app.code.reading import MAX_BYTES, parse
from settings_app.code.writing import as_yaml
from settings_app.models import SettingRevision
from settings_app.selectors import render_settings
from settings_app.services import update_settings
from sysmgr.audit.services import SYSTEM

from .lines import TRICKY, run, target

WINDOW = {"days": [1, 7], "start": "08:00", "end": "10:30"}


def fill(cluster: Cluster) -> None:
    """Give the cluster something in every section."""
    update_settings(
        cluster,
        {
            "mail_setting": {"smtp_password": "hush", "sender_name": "no", "sender_mail": "a@example.org"},
            "access_control_policy": {
                "ip_access_control_policy": {"ip_ranges": {"ranges": ["10.0.0.0/8", "::1", "192.0.2.1-192.0.2.9"]}},
                "time_access_control_policy": {
                    "enabled": False,
                    "time_zone": "Asia/Shanghai",
                    "whitelist": True,
                    "windows": [WINDOW, WINDOW],
                },
            },
            "snmp_settings": {"snmps": [target(), target("noc.", host="::1"), target("核心")]},
        },
        SYSTEM,
    )


def test_the_same_settings_are_the_same_bytes_and_hold_no_secret(cluster: Cluster, tmp_path: Path) -> None:
    fill(cluster)
    code, text = run("settings_export")
    assert code == 0
    for number in (5, render_settings(cluster.pk)["storage_setting"]["hop_hc"]):
        update_settings(cluster, {"storage_setting": {"hop_hc": number}}, SYSTEM)
    assert run("settings_export") == (0, text)
    assert run("settings_export", "--output", str(tmp_path / "s.yaml")) == (0, "")
    assert (tmp_path / "s.yaml").read_text() == text
    as_json = run("settings_export", "--format", "json")[1]
    assert run("settings_export", "--json")[1] == as_json
    for written in (text, as_json):
        assert written.endswith("\n") and not written.endswith("\n\n")
        assert "hush" not in written and "very secret" not in written and "********" not in written
    assert text.startswith("# The settings of a cluster") and "It holds no secrets" in text
    assert parse(text.encode()) == parse(as_json.encode()) == yaml.safe_load(text) == json.loads(as_json)
    assert list(parse(text.encode())) == list(render_settings(cluster.pk))
    assert "&" not in text.partition("login_policy")[2]  # two equal windows, and no alias


def test_secrets_are_references_that_tell_their_targets_apart(cluster: Cluster) -> None:
    fill(cluster)
    document = parse(run("settings_export")[1].encode())
    mail, targets = document["mail_setting"], document["snmp_settings"]["snmps"]
    assert mail["smtp_password"] == {"from_environment": "SYSMGR_SECRET_SMTP_PASSWORD"}
    names = [one["community"]["from_environment"] for one in targets]
    assert len(set(names)) == 3 and all(name.startswith("SYSMGR_SECRET_SNMP_") for name in names)
    assert names[0].startswith("SYSMGR_SECRET_SNMP_NOC_")  # `noc.` comes to the same word
    assert targets[0]["auth_password"] == ""
    update_settings(cluster, {"snmp_settings": {"snmps": [target("noc-1")]}}, SYSTEM)
    assert "{from_environment: " not in run("settings_export")[1]  # blocks
    assert "from_environment: SYSMGR_SECRET_SNMP_NOC_1_COMMUNITY\n" in run("settings_export")[1]


def test_an_export_that_cannot_be_written_is_one_clear_error(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="can't write .*: No such file"):
        run("settings_export", "--output", str(tmp_path / "none" / "s.yaml"))


@pytest.mark.parametrize(
    "text", [*TRICKY, "", "plain words", "a\u2028b", "é核心😀", '"', "'", "\\", "x" * 255, "---", "[", "{"]
)
def test_texts_stay_texts_for_every_reader(text: str) -> None:
    document = {"a": {"one": text, "list": [text, text]}}
    written = as_yaml(document)
    assert parse(written.encode()) == yaml.safe_load(written) == document
    assert written.count("\n") == 7  # nothing is folded


def test_unquoted_only_what_json_knows_is_no_text() -> None:
    read = parse(
        b"a: [no, 08:00, 10:30, 2026-01-01, 0x1F, 012, +5, .inf, 1_000, True, 5, -5, 0, true, false, null, ~, 5.0, 1e3]"
    )
    texts = ["no", "08:00", "10:30", "2026-01-01", "0x1F", "012", "+5", ".inf", "1_000", "True"]
    assert read == {"a": [*texts, 5, -5, 0, True, False, None, None, 5.0, 1000.0]}
    assert parse(b"\xef\xbb\xbfa: 1") == {"a": 1}  # an editor's mark at the start is none of the text


LAUGHS = "a: &a [x, x]\n" + "".join(f"{k}: &{k} [*{p}, *{p}]\n" for p, k in zip("abcdefgh", "bcdefghi", strict=True))


@pytest.mark.alike
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it is empty"),
        ("# nothing\n", "it is empty"),
        ("- login_policy", "it holds no sections"),
        ("just words", "it holds no sections"),
        ("login_policy: [", "no YAML in line"),
        ("login_policy:\n\t- x", "no YAML in line 2"),
        ("a: 1\n---\nb: 2", "line 2: it holds more than one document"),
        (LAUGHS, "line 1: anchors and aliases"),
        ("login_policy: *other", "no YAML in line 1|line 1: anchors"),
        ("login_policy: !!python/object/apply:os.system ['true']", "line 1: tags"),
        ("login_policy:\n  token_expire_second: !!int '5'", "line 2: tags"),
        ("!x login_policy: {}", "line 1: tags"),
        ("login_policy: {}\nlogin_policy: {}", "login_policy: appears twice|login_policy: .*appears twice"),
        ("login_policy:\n  a: 1\n  a: 1", "login_policy.a: "),
        ('{"login_policy": {"a": 1, "a": 1}}', "a: .*appears twice"),
        ("login_policy:\n  1: 2", "login_policy: .*has a key in line 2 that is no text"),
        ("? [a, b]\n: c", "has a key in line 1 that is no text"),
        ("? {a: b}\n: c", "has a key in line 1 that is no text"),
        ("login_policy: " + "[" * 500_000, "nested deeper than 20|no YAML"),
        ("{" + '"a":{' * 30, "not valid JSON"),
        ('{"login_policy": NaN}', "not valid JSON"),
        ("login_policy: {nothing: 1}", "login_policy.nothing: "),
        ("nothing: {}", "nothing: "),
        ("login_policy: 5", "login_policy: "),
        ("login_policy: {token_expire_second: '3600'}", "login_policy.token_expire_second: "),
        ("login_policy: {token_expire_second: 3600.0}", "login_policy.token_expire_second: "),
        ("login_policy: {token_expire_second: 1e999}", "login_policy.token_expire_second: "),
        ("login_policy: {token_expire_second: 59}", "login_policy.token_expire_second: "),
        ("mail_setting: {enabled: yes}", "mail_setting.enabled: "),
        ("mail_setting: {sender_name: 1e3}", "mail_setting.sender_name: "),
        ('mail_setting: {sender_name: "a\\u0001"}', "mail_setting.sender_name: "),
        ("mail_setting: {<<: {enabled: true}}", "mail_setting.<<: "),
        ("cluster_uuid: x\nif_revision: 3", "cluster_uuid; if_revision: .*give it to the command"),
        ("password_special_char: abc", "password_special_char: "),
        ("mail_setting: {smtp_password: hushhush}", "mail_setting.smtp_password: .*is a secret: write"),
        ("mail_setting: {smtp_password: 12345}", "mail_setting.smtp_password: .*is a secret: write"),
        ("mail_setting: {smtp_password: {from_environment: DATABASE_URL}}", "smtp_password: .*not DATABASE_URL"),
        ("mail_setting: {smtp_password: {from_environment: [x]}}", "mail_setting.smtp_password: "),
        ("mail_setting: {smtp_password: {from_environment: SYSMGR_SECRET_A, b: c}}", "mail_setting.smtp_password: "),
        ("mail_setting: {sender_name: {from_environment: SYSMGR_SECRET_A}}", "mail_setting.sender_name: "),
        ("mail_setting: [x]\nsnmp_settings: {snmps: [x, {community: hushhush}]}", r"snmps\[1\].community: "),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["settings_plan", "settings_apply", "settings_drift"])
def test_what_is_doubtful_is_refused_and_nothing_is_stored(
    cluster: Cluster, tmp_path: Path, command: str, text: str, told: str
) -> None:
    file = tmp_path / "s"
    file.write_text(text)
    started = monotonic()
    with pytest.raises(CommandError, match=told) as error:
        run(command, str(file))
    assert monotonic() - started < 5
    assert "\n" not in str(error.value) and "hushhush" not in str(error.value)
    assert SettingRevision.objects.count() == 1


def test_sources_are_bounded(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "large").write_bytes(b"#" * (MAX_BYTES + 1))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for name, told in (
        ("large", "larger than 1048576"),
        ("bytes", "not UTF-8"),
        ("none", "No such file"),
        (".", "Is a"),
    ):
        with pytest.raises(CommandError, match=told):
            run("settings_apply", str(tmp_path / name))
    with pytest.raises(CommandError, match="no name of a file"):
        run("settings_apply", "a\0b")
    pipe(monkeypatch, b"storage_setting: {hop_hc: 7}")
    assert run("settings_apply", "-")[1].endswith("-> 7\nrevision 2\n")


def pipe(monkeypatch: pytest.MonkeyPatch, raw: bytes) -> None:
    """Let standard input hold `raw`."""
    stdin: Any = TextIOWrapper(BytesIO(raw))
    monkeypatch.setattr("sys.stdin", stdin)
