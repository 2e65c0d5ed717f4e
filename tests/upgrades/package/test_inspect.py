"""Hostile archives behind a right signature: each is refused with its reason."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sysmgr.errors import BadRequest
from upgrades.package import inspect as inspect_module
from upgrades.package.errors import (
    PackageDigestWrong,
    PackageManifestInvalid,
    PackageMemberRefused,
    PackageNotSigned,
    PackageUnreadable,
)
from upgrades.package.inspect import inspect_package
from upgrades.package.sign import fingerprint, sign

from .forge import CONTENT, Forge, header, member, patched

(DAEMON, DAEMON_DATA), (DATA, DATA_DATA) = CONTENT.items()
HONEST = [member(DAEMON, DAEMON_DATA), member(DATA, DATA_DATA)]


def test_an_honest_package_is_accepted(forge: Forge) -> None:
    found = inspect_package(forge.package(), forge.keys)
    assert found.signed_by == next(iter(forge.keys))
    assert found.payload_bytes == len(DAEMON_DATA) + len(DATA_DATA)
    assert found.members == 4
    assert [entry.path for entry in found.manifest.files] == list(CONTENT)


def test_directories_above_listed_files_are_accepted(forge: Forge) -> None:
    folders = [header(name, 0, tarfile.DIRTYPE, mode=0o755) for name in ("payload", "payload/storage/bin/")]
    assert inspect_package(forge.package(*folders, *HONEST), forge.keys).members == 6


EXTRA: list[tuple[str, bytes, str]] = [
    ("outside the manifest", member("payload/storage/extra", b"x"), "outside the manifest"),
    ("directory without files", header("payload/empty", 0, tarfile.DIRTYPE, mode=0o755), "outside"),
    ("directory's mode", header("payload", 0, tarfile.DIRTYPE, mode=0o777), "0755"),
    ("directory with content", header("payload", 5, tarfile.DIRTYPE, mode=0o755), "size"),
    ("symlink", header("payload/storage/l", 0, tarfile.SYMTYPE, linkname="/etc/passwd"), "a link"),
    ("hard link", header("payload/storage/l", 0, tarfile.LNKTYPE, linkname=DATA), "a link"),
    ("character device", header("payload/storage/d", 0, tarfile.CHRTYPE), "device"),
    ("block device", header("payload/storage/d", 0, tarfile.BLKTYPE), "device"),
    ("pipe", header("payload/storage/d", 0, tarfile.FIFOTYPE), "device or a pipe"),
    ("pax header", header("payload/storage/x", 512, tarfile.XHDTYPE) + bytes(512), "unknown type"),
    ("global pax header", header("payload/storage/x", 0, tarfile.XGLTYPE), "unknown type"),
    ("GNU long name", header("././@LongLink", 512, tarfile.GNUTYPE_LONGNAME) + bytes(512), "unknown type"),
    ("GNU sparse", header("payload/storage/x", 0, tarfile.GNUTYPE_SPARSE), "unknown type"),
    ("contiguous file", header("payload/storage/x", 0, tarfile.CONTTYPE), "unknown type"),
    ("parent", member("payload/storage/../../evil", b"x"), r"`\.\.`"),
    ("bare parent", member("..", b"x"), r"`\.\.`"),
    ("dotted", member("./payload/storage/data", b"x"), "dots"),
    ("absolute", member("/etc/passwd", b"x"), "absolute"),
    ("empty name", member("", b"x"), "empty component"),
    ("space", member("payload/storage/a b", b"x"), "allowed in names"),
    ("escape sequence", member("payload/\x1b[2J", b"x"), r"\\x1b"),
    ("not UTF-8", member("payload/\udcff", b"x"), "not UTF-8"),
    ("doubled", member(DATA, DATA_DATA), "appears twice"),
    ("second manifest", member("manifest.json", b"{}"), "appears twice"),
    ("negative size", patched(header("payload/storage/x"), 124, b"\xff" * 12), "size is not possible"),
    ("base-256 size", patched(header("payload/storage/x"), 124, b"\x80" + b"\x7f" * 11), "size is not"),
    ("GNU magic", patched(header("payload/storage/x"), 257, b"ustar  \0"), "not ustar"),
    ("prefix", patched(header("passwd"), 345, b"/etc\0"), "absolute"),
]


@pytest.mark.parametrize(("kind", "extra", "reason"), EXTRA, ids=[kind for kind, _, _ in EXTRA])
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_member_that_must_not_be_there_is_refused(
    forge: Forge, kind: str, extra: bytes, reason: str, place: str
) -> None:
    if place == "before" and kind == "doubled":
        extra = extra + extra
    path = forge.package(*([extra, *HONEST] if place == "before" else [*HONEST, extra]))
    with pytest.raises(PackageMemberRefused, match=reason) as refusal:
        inspect_package(path, forge.keys)
    assert refusal.value.text.isprintable()
    assert (refusal.value.scode, refusal.value.status) == (10001, 400)
    assert "{" not in refusal.value.text_cn


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (member(DATA, DATA_DATA, 0o755), "mode is 0755, not 0644"),
        (member(DATA, DATA_DATA, 0o4644), "mode is 4644"),
        (member(DATA, DATA_DATA + b"x"), "701 bytes, not 700"),
        (member(DATA, DATA_DATA[1:]), "699 bytes, not 700"),
        (b"", "missing"),
        (member(DATA, DATA_DATA)[:-1] + b"x", "hidden behind"),
    ],
)
def test_a_file_that_differs_from_the_manifest_is_refused(forge: Forge, changed: bytes, reason: str) -> None:
    with pytest.raises(PackageMemberRefused, match=reason):
        inspect_package(forge.package(HONEST[0], changed), forge.keys)


def test_a_wrong_digest_is_refused_by_name(forge: Forge) -> None:
    with pytest.raises(PackageDigestWrong, match=DATA):
        inspect_package(forge.package(HONEST[0], member(DATA, b"D" + DATA_DATA[1:])), forge.keys)


@pytest.mark.parametrize("bad", [patched(header("x"), 148, b"000000\0 ")[:512], b"A" * 512])
def test_a_record_with_a_wrong_checksum_is_refused(forge: Forge, bad: bytes) -> None:
    bad = bad[:148] + b"000001\0 " + bad[156:]
    with pytest.raises(PackageUnreadable, match="damaged"):
        inspect_package(forge.package(*HONEST, bad), forge.keys)


def test_a_package_of_another_key_is_not_signed(forge: Forge) -> None:
    stranger = Ed25519PrivateKey.generate().public_key()
    for keys in ({}, {fingerprint(stranger): stranger}):
        with pytest.raises(PackageNotSigned):
            inspect_package(forge.package(), keys)


def test_a_manifest_that_was_changed_after_signing_is_refused(forge: Forge) -> None:
    changed = forge.head().replace(b"until_commit", b"until_Commit")
    with pytest.raises(PackageNotSigned):
        inspect_package(forge.package(head=changed), forge.keys)


def test_a_signed_manifest_that_is_not_valid_is_refused(forge: Forge) -> None:
    head = member("manifest.json", b"{}") + member("manifest.json.sig", sign(b"{}", forge.key))
    with pytest.raises(PackageManifestInvalid):
        inspect_package(forge.package(head=head), forge.keys)


def test_the_first_members_are_manifest_and_signature(forge: Forge) -> None:
    manifest, signature = forge.head()[:-1024], forge.head()[-1024:]
    assert signature.startswith(b"manifest.json.sig\0")
    for head, error in (
        (signature + manifest, PackageUnreadable),
        (manifest, PackageNotSigned),
        (member("other", b"") + forge.head(), PackageUnreadable),
        (b"", PackageUnreadable),
        (header("manifest.json", 0, tarfile.SYMTYPE, linkname="x"), PackageMemberRefused),
    ):
        with pytest.raises(error):
            inspect_package(forge.package(head=head), forge.keys)


@pytest.mark.parametrize("at_fault", ["manifest.json", "manifest.json.sig"])
def test_manifest_and_signature_have_mode_0644(forge: Forge, at_fault: str) -> None:
    head = forge.head()
    start = 0 if at_fault == "manifest.json" else len(head) - 1024
    changed = head[:start] + patched(head[start : start + 512], 100, b"0004755") + head[start + 512 :]
    with pytest.raises(PackageMemberRefused, match="mode is 4755, not 0644"):
        inspect_package(forge.package(head=changed), forge.keys)


def test_nothing_of_the_payload_is_read_before_the_signature(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_module, "_read_payload", lambda *_: pytest.fail("the payload was read"))
    with pytest.raises(PackageNotSigned):
        inspect_package(forge.package(), {})


@pytest.mark.timeout(20)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder", "missing"):
        with pytest.raises(BadRequest):
            inspect_package(tmp_path / name, {})
