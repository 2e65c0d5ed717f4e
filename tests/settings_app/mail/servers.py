"""SMTP servers for tests: real ones by aiosmtpd, and sockets that misbehave, all on 127.0.0.1."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session


class Mailbox:
    """Keeps what arrives; refuses what a test tells it to."""

    def __init__(self, *, refuse_receiver: bool = False, refuse_data: bool = False) -> None:
        self.messages: list[EmailMessage] = []
        self.refuse_receiver, self.refuse_data = refuse_receiver, refuse_data

    async def handle_RCPT(self, server: Any, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        """Accept or refuse a receiver."""
        if self.refuse_receiver:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        """Keep or refuse a message."""
        if self.refuse_data:
            return "552 too large for us"
        content = cast(bytes, envelope.content)
        self.messages.append(message_from_bytes(content, policy=policy.default))
        return "250 queued"


def authenticate(server: Any, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    """Let the one good account in."""
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"user", b"right-pass-word")
    return AuthResult(success=good, handled=good)


@contextlib.contextmanager
def smtp(mailbox: Mailbox, *, implicit: ssl.SSLContext | None = None, **options: Any) -> Iterator[int]:
    """Run a server; yield its port."""
    probe = socket.create_server(("127.0.0.1", 0))
    port = int(probe.getsockname()[1])
    probe.close()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, ssl_context=implicit, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


@contextlib.contextmanager
def misbehaving(behaviour: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """Run `behaviour` on each connection until the test is over; yield the port."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    threads: list[threading.Thread] = []

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            behaviour(connection, over)

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=one, args=(connection,)))
                threads[-1].start()

    acceptor = threading.Thread(target=serve)
    acceptor.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        over.set()
        for thread in [acceptor, *threads]:
            thread.join(10)
        listener.close()
