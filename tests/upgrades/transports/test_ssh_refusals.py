"""Who is not let in, and who is not trusted: named, and nothing is run."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sysmgr import env
from tests.sshd import SshHost, sshd_hosts
from upgrades.transports.base import (
    AuthenticationRefused,
    HostKeyChanged,
    HostKeyMissing,
    Result,
    SshKeyUnusable,
    SudoRefused,
    Unreachable,
)
from upgrades.transports.host_keys import fingerprint_of
from upgrades.transports.ssh import SshTransport
from upgrades.transports.ssh_connection import Address

from .conftest import stand_in, way
from .test_ssh import asked, installed


def other_key() -> str:
    """Return the public line of a key that nobody knows."""
    public = Ed25519PrivateKey.generate().public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def marked(host: SshHost) -> Path:
    """Let each step of the host leave a file."""
    stand_in(host, f'touch "{host.root}/ran"; echo ran\n')
    return host.root / "ran"


def test_a_host_without_a_pinned_key_is_not_asked(host: SshHost) -> None:
    mark = marked(host)
    with pytest.raises(HostKeyMissing, match="probe the host first"):
        asked(way(host, host_key=""), "x")
    with pytest.raises(HostKeyMissing, match="the pinned host key is none"):
        asked(way(host, host_key="ssh-ed25519 nonsense"), "x")
    assert not mark.exists()


def test_a_changed_key_names_both_and_runs_nothing(host: SshHost) -> None:
    mark, old = marked(host), host.host_key
    host.stop()
    host.new_key()
    host.start()
    with pytest.raises(HostKeyChanged) as caught:
        asked(way(host, host_key=old), "x")
    assert fingerprint_of(old) in str(caught.value)
    assert fingerprint_of(host.host_key) in str(caught.value)
    assert caught.value.key == "host_key_changed"
    assert not mark.exists()


def test_a_key_of_another_type_is_a_changed_key_too(host: SshHost) -> None:
    old, file = host.host_key, host.folder / "host_key"
    mark = marked(host)
    host.stop()
    file.unlink()
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(file)], check=True, timeout=20)
    host.start()
    with pytest.raises(HostKeyChanged) as caught:
        asked(way(host, host_key=old), "x")
    assert fingerprint_of(host.host_key) in str(caught.value)
    assert not mark.exists()
    assert asked(way(host), "x") == Result(0, "ran\n")


def test_an_rsa_host_key_serves_and_is_never_signed_with_sha1(host: SshHost) -> None:
    host.stop()
    file = host.folder / "host_key"
    file.unlink()
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(file)], check=True, timeout=60)
    host.start()
    marked(host)
    assert asked(way(host), "x").code == 0


@pytest.mark.parametrize("kind", ["openssh", "asyncssh"])
def test_a_host_that_does_not_know_the_manager_is_named(tmp_path: Path, kind: str) -> None:
    with sshd_hosts(1, tmp_path, kind=kind, authorized=other_key()) as hosts:
        mark = marked(hosts[0])
        with pytest.raises(AuthenticationRefused, match=f"refuses the manager's key for the user {hosts[0].user}"):
            asked(way(hosts[0]), "x")
        assert not mark.exists()


def test_no_other_key_is_tried(host: SshHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an agent, nor the home directory's keys and configuration."""
    home = tmp_path / "home" / ".ssh"
    home.mkdir(parents=True)
    own = env.DATA_DIR / "keys" / "ssh_ed25519"
    (home / "id_ed25519").write_bytes(own.read_bytes())
    (home / "id_ed25519").chmod(0o600)
    (home / "config").write_text(f"Host *\n  IdentityFile {home}/id_ed25519\n  Port 1\n")
    monkeypatch.setenv("HOME", str(home.parent))
    wrong = tmp_path / "wrong"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(wrong)], check=True, timeout=20)
    monkeypatch.setattr(env, "SSH_KEY_FILE", str(wrong))
    with pytest.raises(AuthenticationRefused):
        asked(way(host), "x")


def test_a_key_file_that_others_can_read_asks_nobody(
    host: SshHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loose = tmp_path / "loose"
    loose.write_text("x")
    loose.chmod(0o644)
    monkeypatch.setattr(env, "SSH_KEY_FILE", str(loose))
    with pytest.raises(SshKeyUnusable, match="can be read by others"):
        asked(way(host), "x")
    loose.chmod(0o600)
    with pytest.raises(SshKeyUnusable, match="loose"):
        asked(way(host), "x")


SUDO = {
    "password": ("echo 'sudo: a password is required' >&2; exit 1", "a password is required"),
    "terminal": ("echo 'sudo: sorry, you must have a tty to run sudo' >&2; exit 1", "you must have a tty"),
    "missing": ("echo 'sh: 1: sudo: not found' >&2; exit 127", "not found"),
}


@pytest.mark.parametrize("case", SUDO)
def test_a_sudo_that_refuses_is_named(tmp_path: Path, case: str) -> None:
    text, said = SUDO[case]
    with sudo_host(tmp_path, text) as hosts:
        mark = marked(hosts[0])
        with pytest.raises(SudoRefused, match=f"sudo refuses the user .*{said}"):
            asked(way(hosts[0], sudo=True), "x")
        with pytest.raises(SudoRefused):
            installed(way(hosts[0], sudo=True))
        assert not mark.exists()


def test_sudo_runs_every_command_and_never_asks(tmp_path: Path) -> None:
    with sudo_host(tmp_path, f'echo "$1 $2" >>{tmp_path}/calls; shift; exec "$@"') as hosts:
        installed(way(hosts[0], sudo=True))
        assert asked(way(hosts[0], sudo=True), "fence", "c1", "5", "-", "-").code == 0
    assert (tmp_path / "calls").read_text() == "-n sh\n-n sh\n"


def sudo_host(tmp_path: Path, text: str):  # type: ignore[no-untyped-def]
    """Start a host whose sudo is this script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sudo").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "sudo").chmod(0o755)
    return sshd_hosts(1, tmp_path, path=f"{folder}:{os.environ['PATH']}")


def test_a_log_in_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upgrades.transports.ssh_connection.CONNECT_SECONDS", 0.5)

    with socket.create_server(("127.0.0.11", 0)) as silent:
        port = silent.getsockname()[1]
        nowhere = SshTransport(Address("127.0.0.11", port, "root", other_key()), "/srv", False)
        with pytest.raises(Unreachable, match=f"no log-in on port {port}"):
            asked(nowhere, "x")
