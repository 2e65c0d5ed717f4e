"""Keys: made once, private to their owner, and the only thing that makes a package trusted."""

from __future__ import annotations

import base64
import hashlib
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from upgrades.package.errors import PackageNotSigned, PublicKeyInvalid, SigningKeyExists, SigningKeyUnusable
from upgrades.package.sign import (
    create_key,
    fingerprint,
    load_private_key,
    load_public_key,
    public_key_text,
    sign,
    verify,
)


def test_a_new_key_file_is_its_owners_alone_and_loads_again(tmp_path: Path) -> None:
    key = create_key(tmp_path / "key.pem")
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    assert load_private_key(tmp_path / "key.pem").private_bytes_raw() == key.private_bytes_raw()
    assert [path.name for path in tmp_path.iterdir()] == ["key.pem"]


@pytest.mark.parametrize("dangling", [False, True])
def test_a_key_file_is_never_overwritten(tmp_path: Path, dangling: bool) -> None:
    path = tmp_path / "key.pem"
    path.symlink_to("nowhere") if dangling else path.write_bytes(b"precious")
    with pytest.raises(SigningKeyExists):
        create_key(path)
    assert path.is_symlink() if dangling else path.read_bytes() == b"precious"
    assert [path.name for path in tmp_path.iterdir()] == ["key.pem"]


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    create_key(tmp_path / "key.pem")
    (tmp_path / "key.pem").chmod(0o640)
    with pytest.raises(SigningKeyUnusable, match="others"):
        load_private_key(tmp_path / "key.pem")


def test_what_is_no_ed25519_key_is_refused_without_showing_it(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    other = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (b"", b"secret words", other):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(SigningKeyUnusable) as refusal:
            load_private_key(path)
        assert "secret" not in refusal.value.text
    with pytest.raises(SigningKeyUnusable):
        load_private_key(tmp_path / "missing.pem")


def test_a_public_key_travels_as_text() -> None:
    key = Ed25519PrivateKey.generate()
    public = load_public_key(public_key_text(key) + "\n")
    assert public_key_text(public) == public_key_text(key)
    digest = base64.b64encode(hashlib.sha256(public.public_bytes_raw()).digest()).decode().rstrip("=")
    assert fingerprint(public) == f"SHA256:{digest}"


@pytest.mark.parametrize("text", ["", "AAAA", "é", "A" * 44, "!" * 44, base64.b64encode(bytes(33)).decode()])
def test_a_text_that_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(PublicKeyInvalid):
        load_public_key(text)


def test_only_a_trusted_key_verifies() -> None:
    mine, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    keys = {fingerprint(key.public_key()): key.public_key() for key in (other, mine)}
    assert verify(b"manifest", sign(b"manifest", mine), keys) == fingerprint(mine.public_key())
    for message, signature, trusted in (
        (b"manifest!", sign(b"manifest", mine), keys),
        (b"manifest", sign(b"manifest", Ed25519PrivateKey.generate()), keys),
        (b"manifest", sign(b"manifest", mine)[:63], keys),
        (b"manifest", b"", keys),
        (b"manifest", sign(b"manifest", mine), {}),
    ):
        with pytest.raises(PackageNotSigned):
            verify(message, signature, trusted)
