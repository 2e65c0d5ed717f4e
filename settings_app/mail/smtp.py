"""Speaking SMTP: one session, bounded as a whole, that says at which stage it failed."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any

from .errors import MailPeerFailed, MailPeerSilent, params

IMPLICIT_TLS_PORT = 465
SESSION_SECONDS = 20.0


@dataclass(frozen=True)
class SmtpServer:
    """Where and how to send. `tls`: port 465 is implicit TLS, any other port requires STARTTLS."""

    host: str
    port: int
    tls: bool
    account: str = ""
    password: str = field(default="", repr=False)
    ca_file: str | None = None

    def context(self) -> ssl.SSLContext:
        """Return a context that verifies by the system's roots and, added to them, `ca_file`."""
        context = ssl.create_default_context()
        if self.ca_file:
            context.load_verify_locations(self.ca_file)
        return context


def new_message_id(sender_mail: str) -> str:
    """Return a Message-ID in the sender's domain."""
    return make_msgid(domain=sender_mail.rpartition("@")[2] or "sysmgr.invalid")


def build_message(
    *, sender_mail: str, sender_name: str, receiver: str, subject: str, text: str, message_id: str = ""
) -> EmailMessage:
    """Return a mail whose headers the email package has checked and encoded."""
    message = EmailMessage()
    message["From"] = Address(display_name=sender_name, addr_spec=sender_mail)
    message["To"] = Address(addr_spec=receiver)
    message["Subject"] = subject
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = message_id or new_message_id(sender_mail)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


class _Session:
    """The state of one session: its stage, its deadline, and the socket that the watchdog may shut."""

    def __init__(self, seconds: float) -> None:
        self.stage = "resolve"
        self.deadline = time.monotonic() + seconds
        self.late = threading.Event()
        self.socket: socket.socket | None = None
        self.client: smtplib.SMTP | None = None

    def left(self) -> float:
        return max(0.01, self.deadline - time.monotonic())

    def cut(self) -> None:
        """Shut the socket down: smtplib's own timeout starts anew with every byte that a peer drips."""
        self.late.set()
        if self.socket is not None:
            with suppress(OSError):  # it may be closed already
                self.socket.shutdown(socket.SHUT_RDWR)


@contextmanager
def _watched(session: _Session) -> Iterator[None]:
    watchdog = threading.Timer(session.left(), session.cut)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


def _resolve(server: SmtpServer, session: _Session) -> list[tuple[int, tuple[object, ...]]]:
    """Resolve within the deadline; getaddrinfo knows none, so it runs in a thread that may be left behind."""
    found: list[tuple[int, tuple[object, ...]]] = []
    failed: list[str] = []

    def ask() -> None:
        try:
            for family, _, _, _, address in socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM):
                found.append((family, address))
        except OSError as error:
            failed.append(error.strerror or "unknown host")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(session.left())
    if thread.is_alive():
        raise TimeoutError
    if not found:
        raise MailPeerFailed(**params("resolve", failed[0] if failed else "no address"))
    return found


def _connect(server: SmtpServer, session: _Session) -> socket.socket:
    addresses = _resolve(server, session)
    session.stage = "connect"
    last = OSError("no address")
    for place, (family, address) in enumerate(addresses):
        connection = socket.socket(family, socket.SOCK_STREAM)
        # A dead first address must leave time for the next one.
        connection.settimeout(session.left() / (len(addresses) - place))
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            last = error
        else:
            connection.settimeout(session.left())
            return connection
    raise last


class _Client(smtplib.SMTP):
    """smtplib on a socket that is connected already; the local host's name is not looked up."""

    def __init__(self, connection: socket.socket, host: str) -> None:
        super().__init__(local_hostname="sysmgr")
        self.sock = connection
        self._host = host  # what STARTTLS checks the certificate against

    def greet(self) -> None:
        """Read the peer's greeting, then say ours."""
        code, reply = self.getreply()
        if code != 220:
            raise smtplib.SMTPConnectError(code, reply)
        self.ehlo_or_helo_if_needed()

    def log_in(self, account: str, password: str) -> None:
        """Log in once: smtplib's own `login` tries a refused password again with each other mechanism,
        which counts as that many failures at a server that locks accounts."""
        offered = self.esmtp_features.get("auth", "").upper().split()
        self.user, self.password = account, password
        methods: dict[str, Any] = {"CRAM-MD5": self.auth_cram_md5, "PLAIN": self.auth_plain, "LOGIN": self.auth_login}
        chosen = next((name for name in methods if name in offered), None)
        if chosen is None:
            raise smtplib.SMTPNotSupportedError("the server offers no log-in that is known here")
        self.auth(chosen, methods[chosen])


def send(
    server: SmtpServer,
    message: EmailMessage,
    sender: str,
    receivers: Sequence[str],
    *,
    seconds: float = SESSION_SECONDS,
) -> None:
    """Return once the server accepted the message, or raise MailPeerFailed (502) or MailPeerSilent (504)."""
    session = _Session(seconds)
    with _watched(session):
        try:
            _converse(server, session, message, sender, receivers)
        except MailPeerFailed:
            raise
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            if session.late.is_set() or _timed_out(error):
                raise MailPeerSilent(**params(session.stage)) from None
            raise MailPeerFailed(**params(session.stage, _reply(error, server))) from None
        finally:
            if session.client is not None:
                session.client.close()
            if session.socket is not None:
                session.socket.close()


def _converse(
    server: SmtpServer, session: _Session, message: EmailMessage, sender: str, receivers: Sequence[str]
) -> None:
    session.socket = _connect(server, session)
    if server.tls and server.port == IMPLICIT_TLS_PORT:
        session.stage = "tls"
        session.socket = server.context().wrap_socket(session.socket, server_hostname=server.host)
    session.stage = "greeting"
    session.client = client = _Client(session.socket, server.host)
    client.greet()
    if server.tls and server.port != IMPLICIT_TLS_PORT:
        session.stage = "starttls"
        client.starttls(context=server.context())
        session.socket = client.sock
        client.ehlo()
    if server.account:
        # Without TLS the account goes in clear: only because the operator set smtp_tls_enabled to false.
        session.stage = "login"
        client.log_in(server.account, server.password)
    session.stage = "sender"
    _expect(client.mail(sender))
    session.stage = "receiver"
    for receiver in receivers:
        _expect(client.rcpt(receiver))
    session.stage = "data"
    _expect(client.data(message.as_bytes(policy=message.policy.clone(linesep="\r\n"))))
    # The message is accepted: how the peer says good-bye changes nothing.
    with suppress(OSError, smtplib.SMTPException):
        client.quit()


def _timed_out(error: BaseException | None) -> bool:
    """Whether the socket's time ran out: smtplib may wrap that in an error of its own before the watchdog wakes."""
    return isinstance(error, TimeoutError) or (error is not None and _timed_out(error.__context__))


def _expect(answer: tuple[int, bytes]) -> None:
    code, reply = answer
    if code not in (250, 251):
        raise smtplib.SMTPResponseException(code, reply)


def _reply(error: Exception, server: SmtpServer) -> str:
    """Return what the peer said, printable, at most 200 characters, without the password."""
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        text = f"{error.smtp_code} {said.decode(errors='replace') if isinstance(said, bytes) else said}"
    else:
        text = getattr(error, "verify_message", "") or getattr(error, "strerror", None) or str(error)
    if server.password:
        text = text.replace(server.password, "***")
    return re.sub(r"[^\x20-\x7e\u4e00-\u9fff]+", " ", text).strip()[:200] or type(error).__name__
