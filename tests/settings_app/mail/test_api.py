"""`mail_setting/test` at the API door, with real SMTP servers: sent at once, nothing stored, failures named."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from django.test import Client

from cluster.models import Cluster
from settings_app.models import MailSetting, SettingRevision
from sysmgr.audit.models import AuditRow
from tests.conftest import client_of

from .servers import Mailbox, authenticate, smtp

TEST = "/v1/system/mail_setting/test"
RECEIVER = "receiver@example.com"


def given(port: int, **more: Any) -> dict[str, Any]:
    mail = {"smtp_server_ip": "127.0.0.1", "smtp_server_port": port, "sender_mail": "sender@example.com"}
    return {**mail, "receiver_email": RECEIVER, **more}


def post(client: Client, body: dict[str, Any]) -> Any:
    return client.post(TEST, json.dumps(body), content_type="application/json")


def test_the_given_server_gets_the_mail_and_nothing_is_stored(api: Client, cluster: Cluster) -> None:
    mailbox = Mailbox()
    with smtp(mailbox) as port:
        answer = post(api, given(port, enabled=False, asynchronous_send_enabled=True, sender_name="系统管理"))
    assert (answer.status_code, answer.json()["data"]) == (200, {})
    (message,) = mailbox.messages
    assert message["To"] == RECEIVER
    assert message["From"].addresses[0].display_name == "系统管理"
    assert MailSetting.objects.get(cluster=cluster).smtp_server_ip == ""
    assert SettingRevision.objects.count() == 1
    assert AuditRow.objects.filter(action="mail.test", result="success").count() == 1


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # the server's, about clear text on loopback
def test_what_is_left_out_comes_from_the_stored_settings(api: Client, cluster: Cluster) -> None:
    mailbox = Mailbox()
    with smtp(mailbox, authenticator=authenticate, auth_require_tls=False, auth_required=True) as port:
        stored = {"smtp_server_ip": "127.0.0.1", "smtp_server_port": port, "sender_mail": "stored@example.com"}
        row = MailSetting.objects.get(cluster=cluster)
        for key, value in {**stored, "smtp_account": "user", "smtp_password": "right-pass-word"}.items():
            setattr(row, key, value)
        row.save()
        assert post(api, {"receiver_email": RECEIVER}).status_code == 200
        assert post(api, {"receiver_email": RECEIVER, "smtp_password": "********"}).status_code == 200
        moved = post(api, {"receiver_email": RECEIVER, "smtp_server_port": port + 1})
    assert (moved.status_code, moved.json()["desc"]) == (400, "mail_setting.smtp_password")
    assert [message["From"] for message in mailbox.messages] == ["stored@example.com"] * 2


@pytest.mark.alike
@pytest.mark.parametrize(
    ("body", "desc"),
    [
        ({}, "receiver_email"),
        ({"receiver_email": RECEIVER}, "smtp_server_ip; sender_mail"),
        ({"receiver_email": "nobody"}, "receiver_email"),
        ({"receiver_email": 5}, "receiver_email"),
        ({"receiver_email": "a@example.com\r\nBcc: b@example.com"}, "receiver_email"),
        ({**given(25), "smtp_server_port": 0}, "smtp_server_port"),
        ({**given(25), "sender_mail": "a@b@c"}, "sender_mail"),
        ({**given(25), "more": 1}, "more"),
    ],
)
def test_wrong_values_are_refused_with_their_path(api: Client, body: dict[str, Any], desc: str) -> None:
    answer = post(api, body)
    assert (answer.status_code, answer.json()["scode"], answer.json()["desc"]) == (400, 10001, desc)


def test_a_failure_names_its_stage_and_never_the_password(api: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    refused = post(api, given(closed))
    assert (refused.status_code, refused.json()["scode"]) == (502, 3020)
    assert "stage connect" in refused.json()["message"]
    with smtp(Mailbox(), authenticator=authenticate, auth_require_tls=False) as port:
        wrong = post(api, given(port, smtp_account="user", smtp_password="wrong-secret"))
    assert wrong.status_code == 502
    assert "stage login" in wrong.json()["message"] and "登录" in wrong.json()["message_cn"]
    assert "wrong-secret" not in wrong.content.decode()
    assert set(AuditRow.objects.filter(action="mail.test").values_list("result", flat=True)) == {"failed"}


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_only_administrators_may(cluster: Cluster, role: str) -> None:
    assert post(client_of(role), given(25)).status_code == 403
