"""Hostile input against the running server: nothing that a client sends gives a 500 or leaves anything behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.server.processes import until
from tests.server.product import Product

JSON = "Content-Type: application/json\r\n"
FORM = "Content-Type: multipart/form-data; boundary=x\r\n"
UPDATE, UPLOAD = "/v1/system/setting/update", "/v1/system/upgrade_package/upload"
PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="updatepackage_9.tar.gz"\r\n\r\n'
FIELD = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'


def exchange(server: Product, method: str, path: str, headers: str = "", body: bytes = b"") -> int:
    """Send raw bytes; return the status of the answer."""
    token = server._token or server.log_in()["token"]
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n"
    if body and "Content-Length" not in headers and "Transfer-Encoding" not in headers:
        headers += f"Content-Length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as connection:
        connection.sendall((head + headers + "\r\n").encode("latin-1") + body)
        answer = connection.recv(4096)
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", "/v1/system/%00", "", b"", 404),
        ("GET", "/v1/system/%zz", "", b"", 404),
        ("GET", "/v1/system/%ff%fe", "", b"", 404),
        ("GET", "/v1/../etc/passwd", "", b"", 404),
        ("GET", "/static/../../etc/passwd", "", b"", 404),
        ("GET", "/static/%00", "", b"", 404),
        ("GET", "/v1/" + "a" * 5000, "", b"", 404),
        ("GET", "/v1/system/compute/version/list?host_ip=%00", "", b"", 400),
        ("GET", "/v1/system/compute/version/list?host_ip=%ed%a0%80", "", b"", 404),
        ("GET", "/v1/system/setting/inspect?cluster_uuid=", "", b"", 400),
        ("GET", "/v1/system/setting/inspect?cluster_uuid=a&cluster_uuid=b", "", b"", 400),
        ("GET", "/v1/system/upgrade/list?page_num=99999999999", "", b"", 400),
        ("GET", "/v1/system/upgrade/list?page_num=%D9%A1", "", b"", 400),
        ("GET", "/v1/system/version", "X-Forwarded-For: '; drop table\r\n", b"", 200),
        ("GET", "/v1/system/version", "Cookie: sessionid=\xff;csrftoken=%00\r\n", b"", 200),
        ("GET", "/v1/system/setting/inspect?format=xml", "Accept: text/html\r\n", b"", 200),
        ("FOO", "/v1/system/version", "", b"", 405),
        ("TRACE", "/v1/system/version", "", b"", 405),
        ("POST", "/v1/system/version", "", b"", 405),
        ("POST", "/healthz", "", b"{}", 405),
        ("POST", UPDATE, JSON, b"", 400),
        ("POST", UPDATE, JSON + "Content-Length: abc\r\n", b"", 400),
        ("POST", UPDATE, JSON + "Transfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n", 400),
        ("POST", UPDATE, JSON + "Content-Encoding: gzip\r\n", b"{}", 415),
        ("POST", UPDATE, "Content-Type: application/json; charset=utf-16\r\n", b"{}", 415),
        ("POST", UPDATE, "Content-Type: application/json; charset=\xff\r\n", b"{}", 415),
        ("POST", UPDATE, JSON + "Idempotency-Key: \xff\r\n", b"{}", 400),
        ("POST", UPDATE, JSON, b'{"login_policy": {"token_expire_second": 1e400}}', 400),
        ("POST", UPDATE, JSON, b'{"login_policy": {"token_expire_second": 1' + b"0" * 5000 + b"}}", 400),
        ("POST", UPDATE, JSON, b"[" * 200_000, 400),
        ("POST", UPLOAD, "Content-Type: multipart/form-data\r\n", b"{}", 400),
        ("POST", UPLOAD, FORM + "Transfer-Encoding: chunked\r\n", b"5\r\n--x--\r\n0\r\n\r\n", 400),
        ("POST", UPLOAD, FORM, FIELD * 2000 + b"--x--", 400),
        ("POST", UPLOAD, FORM, PART + b"no package\r\n--x--\r\n", 400),
        ("POST", UPLOAD, FORM, PART + b"it never ends", 400),
    ],
)
def test_it_is_refused_with_a_true_status(
    server: Product, method: str, path: str, headers: str, body: bytes, status: int
) -> None:
    assert exchange(server, method, path, headers, body) == status
    assert "Traceback" not in server.errors()
    assert list((server.data / "quarantine").iterdir()) == []


def begin_upload(server: Product) -> socket.socket:
    """Send the first half of a package; return the open connection."""
    token = server._token or server.log_in()["token"]
    head = f"POST {UPLOAD} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{FORM}"
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=15)
    try:
        # Zeros, because random bytes hold the three bytes of the boundary now and then.
        connection.sendall(f"{head}Content-Length: 9000000\r\n\r\n".encode() + PART + bytes(4_000_000))
        until("the upload to begin", lambda: begun(server), 15)
    except BaseException:
        connection.close()
        raise
    return connection


def begun(server: Product) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return any(path.stat().st_size for path in quarantine(server))
    return False


def quarantine(server: Product) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return list((server.data / "quarantine").iterdir())
    return []


def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(server: Product) -> None:
    with begin_upload(server):
        pass
    until("the quarantine to be empty", lambda: not quarantine(server), 15)
    assert "Traceback" not in server.errors()


def test_a_worker_killed_in_the_middle_leaves_nothing_behind(server: Product) -> None:
    package = next((server.data / "packages").glob("*/updatepackage_1.5.tar.gz"))
    with begin_upload(server):
        for pid in server.workers():
            os.kill(pid, signal.SIGKILL)
    until("the web to be back", server.is_ready, 30)
    server.upload(package)  # the next intake sweeps what the killed one left
    assert quarantine(server) == []


def test_a_server_killed_in_the_middle_leaves_nothing_behind(server: Product) -> None:
    with begin_upload(server):
        server.kill_all()
    server.start()
    assert quarantine(server) == []
