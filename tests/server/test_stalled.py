"""Clients that begin and never end: the running server answers everybody else meanwhile."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.server.processes import until
from tests.server.product import Product, server_url

BODIES, HEADERS = 100, 300
ANSWER_SECONDS = 15  # generous: a loaded machine is slow, a starved server never answers
JSON = "Content-Type: application/json\r\nContent-Length: 1000\r\n"
FORM = "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9000000\r\n"
COOKIE = f"Cookie: csrftoken={'x' * 32}\r\n"  # without one the admin refuses before it reads
FIELDS = COOKIE + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n"
PART = '--x\r\nContent-Disposition: form-data; name="file"; filename="updatepackage_9.tar.gz"\r\n\r\n'
KINDS = {
    "json, good token": ("/v1/system/setting/update", "good", JSON, '{"a":'),
    "json, bad token": ("/v1/system/setting/update", "bad", JSON, '{"a":'),
    "json, no token": ("/v1/system/setting/update", "", JSON, '{"a":'),
    "log-in": ("/v1/authentication/login", "", JSON, '{"user":'),
    "package, good token": ("/v1/system/upgrade_package/upload", "good", FORM, PART),
    "package, bad token": ("/v1/system/upgrade_package/upload", "bad", FORM, PART),
    "image, good token": ("/v1/system/front_style/login_image/upload", "good", FORM, PART),
    "image, no token": ("/v1/system/front_style/login_image/upload", "", FORM, PART),
    "admin": ("/admin/login/", "", FIELDS, "a="),
    "admin, a file": ("/admin/login/", "", COOKIE + FORM, PART),
}
# Bodies are refused before the first query: on PostgreSQL one kind of each reader is enough.
TRIED = ("json, good token", "package, good token", "admin") if server_url() else tuple(KINDS)
FULL = os.environ.get("SYSMGR_FULL") == "1"
# The first kind from one source and from many, the others in turns; SYSMGR_FULL=1 tries each from both.
PAIRS = [
    (kind, one) for place, kind in enumerate(TRIED) for one in (True, False) if FULL or not place or place % 2 == one
]


@pytest.fixture(scope="module", autouse=True)
def descriptors() -> Iterator[None]:
    """Room for the sockets of the test itself and, inherited, of the server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def source(number: int) -> str:
    """Return one of 25 addresses of this machine; the test's own client is 127.0.0.1."""
    return f"127.0.1.{number % 25 + 1}"


def stall(server: Product, held: contextlib.ExitStack, start: str, address: str) -> socket.socket:
    """Open a connection, send the beginning, and keep it open."""
    connection = socket.create_connection(
        ("127.0.0.1", server.port), timeout=ANSWER_SECONDS, source_address=(address, 0)
    )
    held.enter_context(connection)
    connection.sendall(start.encode())
    return connection


def beginning(server: Product, kind: str) -> str:
    path, token, headers, body = KINDS[kind]
    bearer = {"good": server._token or server.log_in()["token"], "bad": "x" * 43, "": ""}[token]
    authorization = f"Authorization: Bearer {bearer}\r\n" if bearer else ""
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}{headers}\r\n{body}"


def others_are_answered(server: Product, times: int = 12) -> None:
    """Ask from another address, on new connections: each read is answered, rightly and in time."""
    for _ in range(times):
        with httpx.Client(timeout=ANSWER_SECONDS, trust_env=False) as client:
            headers = {"Authorization": f"Bearer {server._token}"}
            answer = client.get(f"{server.base}/v1/system/setting/inspect", headers=headers)
            assert answer.status_code == 200
            assert client.get(f"{server.base}/readyz").status_code == 200


def writing(server: Product) -> httpx.Response:
    return server.request("POST", "setting/update", json={"storage_setting": {"hop_hc": 7}})


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "one_source"), PAIRS)
def test_bodies_that_stall(server: Product, kind: str, one_source: bool) -> None:
    start = beginning(server, kind)
    with contextlib.ExitStack() as held:
        for number in range(BODIES):
            stall(server, held, start, source(0 if one_source else number))
        others_are_answered(server)
        answer = writing(server)
        if one_source:
            # A source holds at most 8 in each worker: there is room for the bodies of others.
            assert answer.status_code == 200
        else:
            assert answer.status_code == 200 or (answer.status_code, answer.headers.get("Retry-After")) == (503, "2")
    until("the bodies to be let go", lambda: writing(server).status_code == 200, 30, pause=0.5)
    assert "Traceback" not in server.errors()


@pytest.mark.alike
@pytest.mark.slow
def test_refused_bodies_are_told_to_come_back(server: Product) -> None:
    """All but 8 in each worker hear it at once, although their bodies never end."""
    start = beginning(server, "json, good token")
    told: dict[int, bytes] = {}
    with contextlib.ExitStack() as held:
        connections = [stall(server, held, start, source(0)) for _ in range(BODIES)]
        for connection in connections:
            connection.setblocking(False)

        def refused() -> bool:
            for place, connection in enumerate(connections):
                if place not in told:
                    with contextlib.suppress(BlockingIOError):
                        told[place] = connection.recv(4096)
            return len(told) >= BODIES - 2 * 8

        until("all but 8 in each worker to be refused", refused, ANSWER_SECONDS)
    assert len(told) < BODIES
    for answer in told.values():
        assert b" 503 " in answer and b"retry-after: 2" in answer.lower() and b"connection: close" in answer.lower()


@pytest.mark.alike
@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("POST /v1/system/setting/update HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: 9\r\n", 415),
        ("POST /v1/system/version HTTP/1.1\r\nContent-Length: 9\r\n", 405),
        ("POST /v1/system/upgrade_package/upload HTTP/1.1\r\nAuthorization: Bearer x\r\n" + FORM, 401),
        ("GET /readyz HTTP/1.1\r\nContent-Length: 9\r\n", 200),
        ("GET /readyz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", 200),
        ("GET /static/nothing HTTP/1.1\r\nContent-Length: 9\r\n", 404),
    ],
)
def test_an_answer_before_the_body_says_that_the_connection_ends(server: Product, head: str, status: int) -> None:
    """The server hangs up there: a client that is not told would lose its next request."""
    bearer = "" if "Authorization" in head else f"Authorization: Bearer {server._token or server.log_in()['token']}\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=ANSWER_SECONDS) as connection:
        connection.sendall(f"{head}Host: localhost\r\n{bearer}\r\n".encode())
        answer = b""
        while block := connection.recv(4096):
            answer += block
    assert int(answer.split(b" ", 2)[1]) == status
    assert b"\r\nconnection: close" in answer.lower()  # twice where hyper knew it too


def test_an_answer_after_the_body_keeps_the_connection(server: Product) -> None:
    with httpx.Client(timeout=ANSWER_SECONDS, trust_env=False) as client:
        server.log_in()
        headers = {"Authorization": f"Bearer {server._token}"}
        for body in ({"storage_setting": {"hop_hc": 7}}, {"no": "such"}):
            answer = client.post(f"{server.base}/v1/system/setting/update", headers=headers, json=body)
            assert answer.status_code in (200, 400) and "Connection" not in answer.headers


@pytest.mark.alike
@pytest.mark.slow
@pytest.mark.parametrize("start", ["", "GET /readyz HTTP/1.1\r\nHost: localhost\r\nX-A: "], ids=["silent", "begun"])
def test_headers_that_never_end(server: Product, start: str) -> None:
    server._token = server._token or server.log_in()["token"]
    with contextlib.ExitStack() as held:
        connections = [stall(server, held, start, source(number)) for number in range(HEADERS)]
        others_are_answered(server)
        assert writing(server).status_code == 200
        if start:  # nobody keeps a place for ever: the server hangs up by itself
            connections[0].settimeout(60)
            while connections[0].recv(4096):
                pass
    assert "Traceback" not in server.errors()


@pytest.mark.alike
@pytest.mark.slow
def test_bodies_and_headers_together(server: Product) -> None:
    starts = [beginning(server, kind) for kind in KINDS]
    with contextlib.ExitStack() as held:
        for number in range(HEADERS):
            stall(server, held, "GET / HTTP/1.1\r\nX-A: ", source(number))
        for number in range(BODIES):
            stall(server, held, starts[number % len(starts)], source(number))
        others_are_answered(server)


@pytest.mark.parametrize("arrived", [b"", b"x" * 300], ids=["still under way", "there"])
def test_an_answer_to_an_unread_body_says_that_the_connection_ends(server: Product, arrived: bytes) -> None:
    """A client that was not told would send its next request into a connection that the server is closing."""
    token = server._token or server.log_in()["token"]
    lines = "POST /v1/system/setting/update HTTP/1.1", "Host: localhost", f"Authorization: Bearer {token}"
    start = "\r\n".join([*lines, "Content-Type: text/plain", "Content-Length: 300", "", ""])
    with socket.create_connection(("127.0.0.1", server.port), timeout=ANSWER_SECONDS) as connection:
        connection.sendall(start.encode() + arrived)
        answer = b""
        while block := connection.recv(4096):  # to the end: it really does
            answer += block
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert b" 415 " in head and b"\r\nconnection: close" in head


def test_a_body_that_was_read_keeps_the_connection(server: Product) -> None:
    server._token = server._token or server.log_in()["token"]
    with httpx.Client(timeout=ANSWER_SECONDS, trust_env=False) as client:
        headers = {"Authorization": f"Bearer {server._token}"}
        for body in ({"storage_setting": {"hop_hc": 7}}, {"storage_setting": {"hop_hc": "x"}}):
            answer = client.post(f"{server.base}/v1/system/setting/update", json=body, headers=headers)
            assert answer.status_code in (200, 400) and "connection" not in answer.headers
