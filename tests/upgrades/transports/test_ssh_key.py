"""The manager's own key: made once, kept from others, or brought by SYSMGR_SSH_KEY_FILE."""

from __future__ import annotations

import json
import subprocess
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from sysmgr import env
from tests.requirements import requires
from upgrades.transports import ssh_key
from upgrades.transports.base import SshKeyUnusable


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "DATA_DIR", tmp_path / "data")
    monkeypatch.setattr(env, "SSH_KEY_FILE", "")


def printed(*options: str) -> str:
    out = StringIO()
    call_command("ssh_key", *options, stdout=out)
    return out.getvalue()


def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> Path:
    """Make a key with ssh-keygen and name it in the environment."""
    requires("ssh-keygen", "apt-get install openssh-client")
    file = tmp_path / "brought"
    subprocess.run(["ssh-keygen", "-q", "-f", str(file), *options], check=True, timeout=60)
    monkeypatch.setattr(env, "SSH_KEY_FILE", str(file))
    return file


def test_a_key_of_its_own_is_made_once_and_kept_from_others() -> None:
    line = printed().strip()
    kind, _, comment = line.split(" ")
    assert (kind, comment) == ("ssh-ed25519", "sysmgr")
    assert printed().strip() == line
    file = env.DATA_DIR / "keys" / "ssh_ed25519"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in line
    assert json.loads(printed("--json"))["file"] == str(file)


def test_its_fingerprint_is_what_openssh_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = brought(tmp_path, monkeypatch, "-t", "ed25519", "-N", "")
    facts = json.loads(printed("--json"))
    said = subprocess.run(["ssh-keygen", "-lf", f"{file}.pub"], capture_output=True, text=True, check=True, timeout=20)
    assert facts["fingerprint"] == said.stdout.split()[1]
    assert facts["public_key"].split()[1] == Path(f"{file}.pub").read_text().split()[1]


@pytest.mark.parametrize("options", [("-t", "rsa", "-b", "2048"), ("-t", "ecdsa"), ("-t", "rsa", "-m", "PEM")])
def test_other_kinds_of_keys_serve_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    file = brought(tmp_path, monkeypatch, "-N", "", *options)
    assert printed().split()[1] == Path(f"{file}.pub").read_text().split()[1]


def test_a_key_that_others_can_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = brought(tmp_path, monkeypatch, "-t", "ed25519", "-N", "")
    file.chmod(0o640)
    with pytest.raises(SshKeyUnusable, match=r"brought can be read by others \(mode 0640\): chmod 600 it"):
        ssh_key.private_key()
    with pytest.raises(CommandError, match="can be read by others"):
        printed()


def test_a_locked_key_a_broken_one_and_a_missing_one_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = brought(tmp_path, monkeypatch, "-t", "ed25519", "-N", "secret")
    with pytest.raises(SshKeyUnusable, match="locked by a passphrase"):
        ssh_key.public_line()
    file.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nnone\n")
    with pytest.raises(SshKeyUnusable, match="holds no private key"):
        ssh_key.public_line()
    file.unlink()
    with pytest.raises(SshKeyUnusable, match="No such file"):
        ssh_key.public_line()
