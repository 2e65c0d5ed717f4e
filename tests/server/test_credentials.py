"""Oddities of the headers that open the doors, sent as raw bytes: none comes in, none is a 500."""

from __future__ import annotations

import socket

import httpx
import pytest

from tests.server.product import Product

READ = "/v1/system/version"


def status(server: Product, headers: str) -> int:
    """Send a read with these header lines as they are; return the status of the answer."""
    head = f"GET {READ} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as connection:
        connection.sendall(head.encode("latin-1"))
        answer = connection.recv(4096)
    return int(answer.split(b" ", 2)[1])


@pytest.fixture(scope="module")
def token(server: Product) -> str:
    """A token that is good."""
    return str(server.log_in()["token"])


@pytest.fixture(scope="module")
def key(server: Product, token: str) -> str:
    """A key that is good."""
    headers = {"Authorization": f"Bearer {token}"}
    made = httpx.post(f"{server.base}/v1/apikey/create", json={}, headers=headers, timeout=20)
    return str(made.json()["data"]["uuid"])


@pytest.mark.alike
@pytest.mark.parametrize(
    "lines",
    [
        "",
        "Authorization:\r\n",
        "Authorization: Bearer\r\n",
        "Authorization: Basic YWRtaW46eA==\r\n",
        "Authorization: {token}\r\n",
        "Authorization: Token {token}\r\n",
        "Authorization: Bearer {token} {token}\r\n",
        "Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n",
        "Authorization: Bearer {token}\r\nAuthorization: Bearer x\r\n",
        "Authorization: Bearer x\r\nAuthorization: Bearer {token}\r\n",
        "Authorization: Bearer {token}\r\nApiKey: {key}\r\n",
        "ApiKey: {key}\r\nApiKey: {key}\r\n",
        "ApiKey: {token}\r\n",
        "Api_Key: {key}\r\n",
        "Api-Key: {key}\r\n",
        "Cookie: Authorization=Bearer {token}\r\n",
        "Authorization: Bearer \xff\xfe{token}\r\n",
        "Authorization: Bearer {token}\xa0\r\n",
        "Authorization: Bearer " + "x" * 7000 + "\r\n",
    ],
)
def test_it_does_not_come_in(server: Product, token: str, key: str, lines: str) -> None:
    assert status(server, lines.format(token=token, key=key)) == 401
    assert "Traceback" not in server.errors()


def test_what_is_no_header_is_refused_by_the_web_server(server: Product, token: str) -> None:
    for lines in (f"Authorization: Bearer {token}\x00\r\n", f"Authorization : Bearer {token}\r\n"):
        assert status(server, lines) in (400, 401), lines
    assert status(server, "Authorization: Bearer " + "x" * 100_000 + "\r\n") in (400, 401, 431)
    assert "Traceback" not in server.errors()


def test_the_right_ones_come_in(server: Product, token: str, key: str) -> None:
    for lines in ("Authorization: Bearer {token}\r\n", "apikey: {key}\r\n", "AUTHORIZATION: bearer {key}\r\n"):
        assert status(server, lines.format(token=token, key=key)) == 200, lines
