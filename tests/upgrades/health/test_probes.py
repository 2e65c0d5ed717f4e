"""Probes against real servers, real certificates and real programs: what says yes, what says no, and that all end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from cluster.models import Cluster
from sysmgr import env
from upgrades.health import gate, probes
from upgrades.health.unusable import Unusable

CLUSTER = "00000000-0000-4000-8000-000000000001"


class Server:
    """Answers each connection with the same bytes, over TLS where it has a context; None says nothing."""

    def __init__(self, answer: bytes | None, address: str = "127.0.0.1", tls: Any = None) -> None:
        self.answer, self.tls = answer, tls
        self.asked: list[bytes] = []
        self._socket = socket.create_server((address, 0))
        self.port = self._socket.getsockname()[1]
        self._held: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
                client = self.tls.wrap_socket(client, server_side=True) if self.tls else client
                self._held.append(client)
                if self.answer is not None:
                    self.asked.append(client.recv(4096))
                    client.sendall(self.answer)
                    client.close()
            except OSError:
                if self._socket.fileno() == -1:
                    return

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)  # the thread still waits in it
        self._socket.close()
        for client in self._held:
            client.close()


@pytest.fixture
def serve() -> Iterator[Any]:
    servers: list[Server] = []

    def make(answer: bytes | None, **how: Any) -> Server:
        servers.append(Server(answer, **how))
        return servers[-1]

    yield make
    for server in servers:
        with contextlib.suppress(OSError):
            server.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    where = tmp_path / "probes"
    where.mkdir(mode=0o755)
    monkeypatch.setattr(env, "PROBE_DIR", where)
    return where


def program(folder: Path, text: str, name: str = "look", mode: int = 0o755) -> dict[str, Any]:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(mode)
    return {"kind": "command", "name": name, "seconds": 5}


def ask(probe: dict[str, Any], host: str = "127.0.0.1") -> str:
    return asyncio.run(probes.ask(probe, CLUSTER, host, "storage"))


def test_a_port_that_takes_connections_says_yes(serve: Any) -> None:
    server = serve(None, address="127.0.0.3")
    assert ask({"kind": "tcp", "port": server.port}, "127.0.0.3") == ""
    server.close()
    reason = ask({"kind": "tcp", "port": server.port}, "127.0.0.3")
    assert reason == f"127.0.0.3 port {server.port}: Connection refused"


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nfine", 200, ""),
        (b"HTTP/1.0 204 No Content\r\n\r\n", 204, ""),
        (b"HTTP/1.1 503 Sick\r\n\r\n", 200, "answers 503, not 200"),
        (b"HTTP/1.1 302 Found\r\nLocation: /well\r\n\r\n", 200, "answers 302, not 200"),
        (b"SSH-2.0-x\r\n", 200, "gives no HTTP answer"),
        (b"HTTP/1.1 " + b"x" * 100_000, 200, "ValueError"),
        (b"", 200, "gives no HTTP answer"),
    ],
)
def test_only_the_wanted_status_says_yes(serve: Any, answer: bytes, status: int, reason: str) -> None:
    server = serve(answer)
    told = ask({"kind": "http", "url": f"http://{{host_ip}}:{server.port}/health?full=1", "status": status})
    assert told.endswith(reason) and bool(told) == bool(reason)
    assert server.asked[0].startswith(
        b"GET /health?full=1 HTTP/1.1\r\nHost: 127.0.0.1:" + str(server.port).encode() + b"\r\n"
    )
    assert len(server.asked) == 1  # a redirect is not followed


def test_only_a_certificate_that_this_machine_trusts_says_yes(
    serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = serve(b"HTTP/1.1 200 OK\r\n\r\n", tls=context)
    probe = {"kind": "http", "url": f"https://{{host_ip}}:{server.port}/"}
    assert "the certificate is refused" in ask(probe)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))  # as an owner adds an authority to the system's
    assert ask(probe) == ""
    elsewhere = serve(b"HTTP/1.1 200 OK\r\n\r\n", tls=context, address="127.0.0.2")
    assert "the certificate is refused" in ask({**probe, "url": f"https://127.0.0.2:{elsewhere.port}/"})


def test_a_silent_server_is_not_waited_for(serve: Any) -> None:
    server = serve(None)
    begun = time.monotonic()
    assert "no answer within 1 s" in ask({"kind": "http", "url": f"http://127.0.0.1:{server.port}/", "seconds": 1})
    assert time.monotonic() - begun < 1 + 4


def test_addresses_are_filled_in() -> None:
    assert (
        probes._url("http://{host_ip}:80/x?of={host_ip}", "2001:db8::1") == "http://[2001:db8::1]:80/x?of=2001:db8::1"
    )
    assert probes._url("https://{host_ip}/", "192.0.2.1") == "https://192.0.2.1/"


def test_a_program_is_told_what_it_is_about_and_nothing_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL_OF_OURS", "secret")
    out = folder.parent / "out"
    assert ask(program(folder, f'echo "$@" >{out}; env >>{out}; cat >>{out}')) == ""
    words, *rest = out.read_text().splitlines()
    assert words == f"{CLUSTER} 127.0.0.1 storage"
    assert {line.partition("=")[0] for line in rest} <= {"PATH", "LC_ALL", "PWD", "SHLVL", "_", "OLDPWD"}
    assert asyncio.run(probes.ask(program(folder, f'echo "$@" >{out}'), CLUSTER)) == ""
    assert out.read_text() == f"{CLUSTER} - -\n"


def test_the_first_line_that_a_program_says_is_the_reason(folder: Path) -> None:
    assert ask(program(folder, "echo 'quorum \033[1mlost'; echo more; exit 3")) == "look: quorum ?[1mlost"
    assert ask(program(folder, "exit 3")) == "look: exit 3"
    assert ask(program(folder, "echo to stderr >&2; false")) == "look: to stderr"
    assert len(ask(program(folder, "head -c 300000 /dev/zero | tr '\\0' x; exit 1"))) < 300


def test_a_program_that_hangs_ends_with_all_that_it_began(folder: Path) -> None:
    pids = folder.parent / "pids"
    probe = program(folder, f"sleep 300 & echo $! >{pids}; sleep 300")
    begun = time.monotonic()
    assert ask({**probe, "seconds": 1}) == "look did not end within 1 s"
    assert time.monotonic() - begun < 1 + 4
    _gone(int(pids.read_text()))


def test_what_a_program_leaves_behind_ends_with_it(folder: Path) -> None:
    pids = folder.parent / "pids"
    assert ask(program(folder, f"sleep 300 & echo $! >{pids}")) == ""
    _gone(int(pids.read_text()))


def _gone(pid: int) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return
        except FileNotFoundError:
            return
        time.sleep(0.05)
    pytest.fail(f"{pid} still runs")


@pytest.mark.parametrize("mode", [0o644, 0o777, 0o775, 0o757])
def test_a_program_that_others_can_write_or_that_is_none_is_not_run(folder: Path, mode: int) -> None:
    ran = folder.parent / "ran"
    with pytest.raises(Unusable):
        ask(program(folder, f"touch {ran}", mode=mode))
    assert not ran.exists()


def test_only_files_of_the_folder_itself_are_run(folder: Path) -> None:
    ran = folder.parent / "ran"
    probe = program(folder.parent, f"touch {ran}", "outside")
    (folder / "link").symlink_to(folder.parent / "outside")
    (folder / "sub").mkdir()
    for name in ("../outside", "link", "sub", "missing", "/bin/true", "..", ".hidden", "", "a b"):
        with pytest.raises(Unusable):
            ask({**probe, "name": name})
    with pytest.raises(Unusable, match="links are not followed"):
        ask({**probe, "name": "link"})
    folder.chmod(0o777)
    program(folder, f"touch {ran}")
    with pytest.raises(Unusable, match="chmod go-w"):
        ask({**probe, "name": "look"})
    assert not ran.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_program_of_somebody_else_is_not_run(folder: Path) -> None:
    probe = program(folder, "true")
    os.chown(folder / "look", 12345, 12345)
    with pytest.raises(Unusable):
        ask(probe)


def test_a_probe_may_have_some_time_to_pass(folder: Path) -> None:
    probe = program(folder, f'n=$(cat {folder.parent}/n 2>/dev/null); echo x$n >{folder.parent}/n; [ "$n" = xx ]')
    begun = time.monotonic()
    assert asyncio.run(probes.ask_until(30, probe, CLUSTER)) == ""
    assert time.monotonic() - begun >= 2 * probes.PAUSE
    assert asyncio.run(probes.ask_until(0, program(folder, "false"), CLUSTER)) == "look: exit 1"


def test_the_gate_is_open_only_where_it_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "PATIENCE", 0.0)

    def closed(what: dict[str, Any]) -> str:
        return asyncio.run(gate.closed(Cluster(name="c", gate=what)))

    assert closed({}) == ""
    assert closed(program(folder, 'test "$2 $3" = "- -"')) == ""
    assert closed(program(folder, "echo no quorum; exit 1")) == "look: no quorum"
    assert closed({"kind": "command", "name": "gone"}).startswith("the gate can't be asked: ")
    assert closed({"kind": "smoke"}).startswith("the gate can't be asked: ")
    assert closed({"kind": "tcp"}) == "the gate can't be asked: KeyError"
