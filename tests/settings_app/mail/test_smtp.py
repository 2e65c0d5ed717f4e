"""Speaking SMTP with real servers and with peers that fail at every stage."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from settings_app.mail import smtp as smtp_module
from settings_app.mail.errors import MailPeerFailed, MailPeerSilent
from settings_app.mail.smtp import SmtpServer, build_message, send

from .servers import Mailbox, authenticate, misbehaving, smtp

PASSWORD = "right-pass-word"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def context(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(made)
    return made


def deliver(port: int, seconds: float = 10, **options: Any) -> None:
    server = SmtpServer(**{"host": "127.0.0.1", "port": port, "tls": False, **options})
    message = build_message(
        sender_mail="sender@example.com",
        sender_name="系统管理",
        receiver="receiver@example.com",
        subject="测试",
        text="正文\n.a line with a dot\n",
    )
    send(server, message, "sender@example.com", ["receiver@example.com"], seconds=seconds)


def test_plain_mail_arrives_whole() -> None:
    mailbox = Mailbox()
    with smtp(mailbox) as port:
        deliver(port)
    (message,) = mailbox.messages
    assert message["From"].addresses[0].display_name == "系统管理"
    assert message["Subject"] == "测试"
    assert message.get_content().replace("\r\n", "\n") == "正文\n.a line with a dot\n"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@example.com>")


def test_starttls_with_log_in(authority: trustme.CA, ca_file: str) -> None:
    mailbox = Mailbox()
    options: dict[str, Any] = {
        "tls_context": context(authority),
        "require_starttls": True,
        "authenticator": authenticate,
    }
    with smtp(mailbox, **options) as port:
        deliver(port, tls=True, ca_file=ca_file, account="user", password=PASSWORD)
    assert len(mailbox.messages) == 1


def test_implicit_tls(authority: trustme.CA, ca_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mailbox = Mailbox()
    with smtp(mailbox, implicit=context(authority)) as port:
        monkeypatch.setattr(smtp_module, "IMPLICIT_TLS_PORT", port)
        deliver(port, tls=True, ca_file=ca_file)
    assert len(mailbox.messages) == 1


def test_certificates_are_verified(authority: trustme.CA, ca_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for certificate, ca in ((context(authority, "other.example.com"), ca_file), (context(trustme.CA()), ca_file)):
        with smtp(Mailbox(), implicit=certificate) as port:
            monkeypatch.setattr(smtp_module, "IMPLICIT_TLS_PORT", port)
            with pytest.raises(MailPeerFailed) as refused:
                deliver(port, tls=True, ca_file=ca)
            assert refused.value.params["stage"] == "tls"
        monkeypatch.setattr(smtp_module, "IMPLICIT_TLS_PORT", 465)  # the next server may get the port of the last one
        with smtp(Mailbox(), tls_context=certificate) as port, pytest.raises(MailPeerFailed) as refused:
            deliver(port, tls=True, ca_file=ca)
        assert refused.value.params["stage"] == "starttls"


def test_a_server_without_starttls_gets_nothing_sensitive() -> None:
    mailbox = Mailbox()
    with smtp(mailbox, authenticator=authenticate) as port, pytest.raises(MailPeerFailed) as refused:
        deliver(port, tls=True, account="user", password=PASSWORD)
    assert refused.value.params["stage"] == "starttls"
    assert mailbox.messages == []


@pytest.mark.parametrize(
    ("options", "stage"),
    [({"refuse_receiver": True}, "receiver"), ({"refuse_data": True}, "data")],
)
def test_a_refusal_names_its_stage_and_the_reply(options: dict[str, bool], stage: str) -> None:
    with smtp(Mailbox(**options)) as port, pytest.raises(MailPeerFailed) as refused:
        deliver(port)
    assert refused.value.params["stage"] == stage
    assert refused.value.params["reply"].startswith("55")
    assert refused.value.status == 502


def test_a_wrong_password_is_told_without_the_password(caplog: pytest.LogCaptureFixture) -> None:
    options: dict[str, Any] = {"authenticator": authenticate, "auth_require_tls": False}
    with smtp(Mailbox(), **options) as port, pytest.raises(MailPeerFailed) as refused:
        deliver(port, seconds=20, account="user", password="wrong-secret")
    assert refused.value.params["stage"] == "login"
    server = SmtpServer("a", 25, False, "user", "wrong-secret")
    told = f"{refused.value} {refused.value.text_cn} {refused.value.params} {caplog.text} {server!r}"
    assert "wrong-secret" not in told


def silent(connection: socket.socket, over: threading.Event) -> None:
    over.wait(10)


def dripping(connection: socket.socket, over: threading.Event) -> None:
    while not over.wait(0.1):
        connection.sendall(b"2")


def closing(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"220 hel")


def garbage(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"SSH-2.0-something\r\n")


def endless(connection: socket.socket, over: threading.Event) -> None:
    for _ in range(8 * 16):
        connection.sendall(b"2" * 65536)


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (silent, MailPeerSilent),
        (dripping, MailPeerSilent),
        (closing, MailPeerFailed),
        (garbage, MailPeerFailed),
        (endless, MailPeerFailed),
    ],
)
def test_peers_that_misbehave_end_within_the_session_s_time(
    behaviour: Callable[[socket.socket, threading.Event], None], error: type[Exception]
) -> None:
    begin = time.monotonic()
    with misbehaving(behaviour) as port, pytest.raises(error) as failed:
        deliver(port, seconds=1.5)
    assert failed.value.params["stage"] == "greeting"  # type: ignore[attr-defined]
    assert time.monotonic() - begin < 10


def test_silence_is_silence_also_when_the_socket_notices_it_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_module._Session, "cut", lambda session: None)
    with misbehaving(silent) as port, pytest.raises(MailPeerSilent) as failed:
        deliver(port, seconds=0.5)
    assert failed.value.params["stage"] == "greeting"


def test_a_closed_port_and_an_unknown_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(MailPeerFailed) as refused:
        deliver(port)
    assert refused.value.params["stage"] == "connect"
    with pytest.raises((MailPeerFailed, MailPeerSilent)) as unknown:
        deliver(25, seconds=5, host="no-such-name.invalid")
    assert unknown.value.params["stage"] == "resolve"


def test_header_injection_is_refused() -> None:
    with pytest.raises(ValueError, match="[Hh]eader|CR|newline|line"):
        build_message(
            sender_mail="a@example.com",
            sender_name="x\r\nBcc: b",
            receiver="c@example.com",
            subject="s",
            text="",
        )


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.05)
