"""Host keys: what is pinned, what is shown, and what is no key."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.sshd import SshHost, sshd_hosts
from upgrades.transports.base import Unreachable
from upgrades.transports.host_keys import BadHostKey, fingerprint_of, normal, read_host_key

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF8wbycZ19m8btsLes2SIKA9nyNQJMj5dxA5aPff+8iB"


def test_the_fingerprint_is_what_people_know() -> None:
    assert fingerprint_of(ED25519) == "SHA256:uKTtCeI55g3tNhB3By3V5t1nIFMwFGKVapWX7z69Y8w"
    assert fingerprint_of(f"  {ED25519}  root@somewhere with a comment\n") == fingerprint_of(ED25519)
    assert normal(f"{ED25519} comment") == ED25519


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 !!!!",
        "ssh-ed25519 AAAA",
        ED25519.replace("ssh-ed25519", "ssh-rsa"),
        ED25519.replace("ssh-ed25519", "ssh-dss"),
        ED25519.replace("ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"),
        "-----BEGIN PUBLIC KEY-----",
        ED25519.partition(" ")[2],
    ],
)
def test_what_is_no_key_is_refused(line: str) -> None:
    with pytest.raises(BadHostKey):
        fingerprint_of(line)


def test_the_key_that_a_host_shows_is_read(host: SshHost) -> None:
    shown = asyncio.run(read_host_key(host.host_ip, host.port))
    assert shown == host.host_key
    file = str(host.folder / "host_key.pub")
    said = subprocess.run(["ssh-keygen", "-lf", file], capture_output=True, text=True, check=True, timeout=20)
    assert said.stdout.split()[1] == fingerprint_of(shown)


def test_a_port_where_nobody_is_says_so(tmp_path: Path) -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.11", 0))
        with pytest.raises(Unreachable, match=f"port {door.getsockname()[1]}"):
            asyncio.run(read_host_key("127.0.0.11", door.getsockname()[1]))


def test_a_silent_port_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.11", 0)) as door:
        begun = time.monotonic()
        with pytest.raises(Unreachable, match="no answer on port"):
            asyncio.run(read_host_key("127.0.0.11", door.getsockname()[1], 0.5))
        assert time.monotonic() - begun < 5


def test_a_port_that_speaks_something_else_says_so() -> None:
    async def other() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100)
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.11", 0) as server:
            await read_host_key("127.0.0.11", server.sockets[0].getsockname()[1], 10)

    with pytest.raises(Unreachable, match="port"):
        asyncio.run(other())


def test_of_several_keys_the_one_of_the_pinned_type_is_shown(tmp_path: Path) -> None:
    with sshd_hosts(1, tmp_path, kind="openssh") as hosts:
        host = hosts[0]
        host.stop()
        file = host.folder / "second"
        subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(file)], check=True, timeout=20)
        with (host.folder / "sshd_config").open("a") as config:
            config.write(f"HostKey {file}\n")
        host.start()
        second = normal(Path(f"{file}.pub").read_text())
        read = [asyncio.run(read_host_key(host.host_ip, host.port, pinned=pinned)) for pinned in ("", second)]
    assert read == [host.host_key, second]
