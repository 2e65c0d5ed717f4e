"""Settings at the admin's door: the same service, the same refusals, shown in place."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from django.test import Client
from django.utils import translation

from cluster.models import Cluster
from settings_app import services
from settings_app.models import (
    LoginPolicy,
    MailSetting,
    MultiAuthenticationSetting,
    PasswordComplexityPolicy,
    SettingRevision,
    StorageSetting,
)
from settings_app.models.base import Section
from settings_app.sections import SECTIONS
from sysmgr.accounts.models import Role
from sysmgr.audit.models import AuditRow
from sysmgr.audit.services import SYSTEM
from sysmgr.crypto import MASK, Secret

from .forms import enter, errors, inputs, read, revisions, save, url


@pytest.fixture
def admin(cluster: Cluster) -> Client:
    """An administrator who is logged in."""
    return enter()


def test_a_change_is_stored_revised_and_audited(admin: Client, cluster: Cluster) -> None:
    answer = save(admin, LoginPolicy, cluster, login_fail_retry_times="7", reason="stricter")
    assert answer.status_code == 302
    revision = SettingRevision.objects.filter(cluster=cluster).order_by("-number")[0]
    assert (revision.number, revision.author, revision.door) == (2, "the-administrator", "admin")
    assert (revision.reason, revision.source) == ("stricter", "127.0.0.1")
    assert revision.diff == [{"path": "login_policy.login_fail_retry_times", "from": 1, "to": 7}]
    row = AuditRow.objects.order_by("-seq")[0]
    assert (row.user_name, row.door, row.action, row.source) == (
        "the-administrator",
        "admin",
        "setting.update",
        "127.0.0.1",
    )
    assert row.request_id == answer["X-Request-Id"]
    assert "Saved as revision 2." in admin.get(answer["Location"]).content.decode()


def test_only_what_the_user_changed_reaches_the_service(admin: Client, cluster: Cluster) -> None:
    with patch("settings_app.admin.forms.update_settings", wraps=services.update_settings) as service:
        save(admin, MailSetting, cluster, sender_name="Operations", enabled="on")
    sent = service.call_args
    assert sent.args[1] == {"mail_setting": {"enabled": True, "sender_name": "Operations"}}
    assert sent.kwargs == {"if_revision": 1, "reason": ""}


@pytest.mark.alike
@pytest.mark.parametrize("section", SECTIONS)
def test_a_form_that_is_saved_as_it_stands_makes_no_revision(admin: Client, cluster: Cluster, section: str) -> None:
    answer = save(admin, SECTIONS[section], cluster)
    assert answer.status_code == 302
    assert "Nothing differs" in admin.get(answer["Location"]).content.decode()
    assert revisions(cluster) == 1


def test_blanks_around_a_stored_text_are_no_change_of_the_user(admin: Client, cluster: Cluster) -> None:
    services.update_settings(cluster, {"mail_setting": {"sender_name": " Operations "}}, SYSTEM)
    save(admin, MailSetting, cluster, enabled="on")
    mail = MailSetting.objects.get(cluster=cluster)
    assert (mail.enabled, mail.sender_name) == (True, " Operations ")


@pytest.mark.alike
@pytest.mark.parametrize(
    ("model", "changed", "field", "text"),
    [
        (LoginPolicy, {"login_fail_retry_times": "101"}, "login_fail_retry_times", "100"),
        (LoginPolicy, {"login_fail_retry_times": ""}, "login_fail_retry_times", "required"),
        (LoginPolicy, {"token_expire_second": "59"}, "token_expire_second", "60"),
        (StorageSetting, {"hop_hc": "2147483648"}, "hop_hc", "2147483647"),
        (StorageSetting, {"hop_hc": "x"}, "hop_hc", "whole number"),
        (
            PasswordComplexityPolicy,
            {"password_max_expired_age": "3", "password_expired_warn_age": "4"},
            "password_expired_warn_age",
            "exceed",
        ),
        (MultiAuthenticationSetting, {"enabled": "on"}, "authentication_type", "chosen"),
        (MailSetting, {"smtp_server_ip": "10.0.0.300"}, "smtp_server_ip", "host name"),
        (MailSetting, {"sender_mail": "nobody"}, "sender_mail", "valid email"),
        (MailSetting, {"sender_name": "a\x1fb"}, "sender_name", "control characters"),
        (MailSetting, {"sender_name": "a\x00b"}, "sender_name", "Null characters"),
        (MailSetting, {"sender_name": "x" * 256}, "sender_name", "255"),
        (LoginPolicy, {"if_revision": ""}, "__all__", "Load it again"),
        (LoginPolicy, {"if_revision": "x"}, "__all__", "Load it again"),
        (LoginPolicy, {"login_fail_retry_times": "8", "reason": "x" * 256}, "reason", "255"),
        (LoginPolicy, {"login_fail_retry_times": "8", "reason": "a\x1fb"}, "reason", "control characters"),
    ],
)
def test_a_refusal_is_shown_in_place_with_what_was_typed(
    admin: Client, cluster: Cluster, model: type[Section], changed: dict[str, str], field: str, text: str
) -> None:
    answer = save(admin, model, cluster, **changed)
    assert text in "; ".join(errors(answer)[field])
    shown = read(answer)
    assert {name: shown[name] for name in changed if "\x00" not in changed[name]} == {
        name: value for name, value in changed.items() if "\x00" not in value
    }
    assert revisions(cluster) == 1


def test_the_second_of_two_writers_is_told(admin: Client, cluster: Cluster) -> None:
    stale = {**inputs(admin, LoginPolicy, cluster), "login_fail_retry_times": "9"}
    services.update_settings(cluster, {"storage_setting": {"hop_hc": 5}}, SYSTEM)
    answer = admin.post(url(LoginPolicy, cluster), stale)
    assert "at revision 2, not 1" in errors(answer)["__all__"][0]
    assert read(answer)["login_fail_retry_times"] == "9"
    assert LoginPolicy.objects.get(cluster=cluster).login_fail_retry_times == 1


def test_refusals_speak_the_language_of_the_page(cluster: Cluster) -> None:
    chinese = enter(**{"Accept-Language": "zh-hans"})
    stale = {**inputs(chinese, LoginPolicy, cluster), "login_fail_retry_times": "9"}
    moved = save(chinese, MailSetting, cluster, smtp_server_ip="10.0.0.300")
    assert "必须是 IP 地址或主机名" in errors(moved)["smtp_server_ip"][0]
    services.update_settings(cluster, {"storage_setting": {"hop_hc": 5}}, SYSTEM)
    assert "设置已被他人修改" in errors(chinese.post(url(LoginPolicy, cluster), stale))["__all__"][0]


def test_the_password_is_written_kept_and_cleared_but_never_shown(admin: Client, cluster: Cluster) -> None:
    assert "smtp_password_clear" not in admin.get(url(MailSetting, cluster)).content.decode()
    save(admin, MailSetting, cluster, smtp_server_ip="smtp.example.com", smtp_password=" hunter-2 ")
    assert MailSetting.objects.get(cluster=cluster).smtp_password.reveal() == " hunter-2 "
    page = admin.get(url(MailSetting, cluster)).content.decode()
    assert "smtp_password_clear" in page
    assert not [text for text in ("hunter-2", "enc:1:", MASK) if text in page]
    save(admin, MailSetting, cluster, sender_name="x")
    assert MailSetting.objects.get(cluster=cluster).smtp_password.reveal() == " hunter-2 "
    save(admin, MailSetting, cluster, smtp_password_clear="on")
    assert not MailSetting.objects.get(cluster=cluster).smtp_password
    newest = SettingRevision.objects.filter(cluster=cluster).order_by("-number")[0]
    assert newest.diff == [{"path": "mail_setting.smtp_password", "from": None, "to": "changed"}]


def test_a_stored_password_does_not_travel_to_another_server(admin: Client, cluster: Cluster) -> None:
    save(admin, MailSetting, cluster, smtp_server_ip="smtp.example.com", smtp_password="hunter-2")
    answer = save(admin, MailSetting, cluster, smtp_server_ip="evil.example.com")
    assert "another server" in errors(answer)["smtp_password"][0]
    assert read(answer)["smtp_server_ip"] == "evil.example.com"
    assert save(admin, MailSetting, cluster, smtp_server_ip="b.example.com", smtp_password="n").status_code == 302


def test_a_refused_form_asks_for_the_password_again(admin: Client, cluster: Cluster) -> None:
    answer = save(admin, MailSetting, cluster, smtp_server_port="0", smtp_password="hunter-2")
    assert "Type it again" in errors(answer)["smtp_password"][0]
    assert "hunter-2" not in answer.content.decode()
    save(admin, MailSetting, cluster, smtp_password="hunter-2")
    both = save(admin, MailSetting, cluster, smtp_password="x", smtp_password_clear="on")
    assert "not both" in errors(both)["smtp_password"][0]


def test_a_password_whose_key_is_lost_can_be_replaced(admin: Client, cluster: Cluster) -> None:
    MailSetting.objects.update(smtp_password=Secret(stored="enc:1:lost"))
    assert save(admin, MailSetting, cluster, smtp_password="new-one").status_code == 302
    assert MailSetting.objects.get(cluster=cluster).smtp_password.reveal() == "new-one"


@pytest.mark.alike
@pytest.mark.parametrize("section", SECTIONS)
def test_one_cluster_leads_to_its_form_and_two_to_a_list(admin: Client, cluster: Cluster, section: str) -> None:
    model = SECTIONS[section]
    assert admin.get(url(model, cluster, "changelist"))["Location"] == url(model, cluster)
    other = Cluster.objects.create(name="other")
    services.create_defaults(other, SYSTEM)
    listed = admin.get(url(model, cluster, "changelist"))
    assert [row.cluster.name for row in listed.context["cl"].result_list] == ["demo", "other"]
    assert save(admin, StorageSetting, other, hop_hc="4").status_code == 302
    assert (revisions(other), revisions(cluster)) == (2, 1)


@pytest.mark.alike
@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR])
@pytest.mark.parametrize("section", SECTIONS)
def test_other_roles_read_and_do_not_write(cluster: Cluster, section: str, role: str) -> None:
    client = enter(role)
    page = client.get(url(SECTIONS[section], cluster))
    assert (page.status_code, "if_revision" in page.content.decode()) == (200, False)
    assert client.post(url(SECTIONS[section], cluster), {"if_revision": "1"}).status_code == 403


def test_the_history_of_a_section_are_the_revisions(admin: Client, cluster: Cluster) -> None:
    save(admin, LoginPolicy, cluster, login_fail_retry_times="7")
    listed = admin.get(url(LoginPolicy, cluster, "history"), follow=True)
    assert [revision.number for revision in listed.context["cl"].result_list] == [2, 1]
    revision = SettingRevision.objects.get(cluster=cluster, number=2)
    page = admin.get(f"/admin/settings_app/settingrevision/{revision.pk}/change/").content.decode()
    assert '<code>login_policy.login_fail_retry_times</code></td><td class="pr-4">1</td><td>7</td>' in page


def test_labels_are_human_and_name_the_documented_key(cluster: Cluster) -> None:
    english = enter().get(url(LoginPolicy, cluster)).content.decode()
    assert "Failed log-ins before the lock" in english
    assert "<code>login_policy.login_fail_retry_times</code>" in english


def test_chinese_labels(cluster: Cluster) -> None:
    client = enter(**{"Accept-Language": "zh-hans"})
    page = client.get(url(LoginPolicy, cluster)).content.decode()
    for text in ("锁定前允许的登录失败次数", "登录策略", "系统设置", "原因"):
        assert text in page
    with translation.override("zh-hans"):
        for model in SECTIONS.values():
            text = client.get(url(model, cluster)).content.decode()
            for field in model._meta.concrete_fields:
                if field.name not in ("cluster", "has_list"):
                    assert str(field.verbose_name) in text, field
