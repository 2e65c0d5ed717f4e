"""Inspecting a package: signature first, then every member against the signed manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .errors import (
    PackageDigestWrong,
    PackageMemberRefused,
    PackageNotSigned,
    PackageNotWritten,
    PackageTooLarge,
    PackageUnreadable,
    Reason,
)
from .files import open_regular
from .manifest import MANIFEST_NAME, SIGNATURE_NAME, FileEntry, Manifest, parents, parse_manifest
from .reader import GzipStream, Limits, Member, TarStream
from .sign import SIGNATURE_BYTES, verify

Write = Callable[[bytes], object]


@dataclass(frozen=True)
class Inspection:
    """What a package proved to be: manifest, fingerprint of its signer, payload in bytes, members."""

    manifest: Manifest
    signed_by: str
    payload_bytes: int
    members: int


class Visitor:
    """What is done with a package's content while it is checked; this one does nothing."""

    def begin(self, manifest: Manifest) -> None:
        """Hear what is in the package; its signature is checked, its content is not."""

    def open(self, entry: FileEntry) -> AbstractContextManager[Write]:
        """Return where the blocks of one file go; they are not to be trusted before the end."""
        return nullcontext(lambda block: None)


def inspect_package(path: Path, keys: Mapping[str, Ed25519PublicKey], *, limits: Limits | None = None) -> Inspection:
    """Check a whole package in one pass with flat memory and return what it is.

    `keys` are the trusted public keys by fingerprint. Nothing of the payload is read before the
    signature was checked. Every refusal is a typed 400 of `upgrades.package.errors`.
    """
    return read_package(path, keys, Visitor(), limits or Limits())


def read_package(path: Path, keys: Mapping[str, Ed25519PublicKey], visitor: Visitor, limits: Limits) -> Inspection:
    """Check a package as `inspect_package` does and hand each file's blocks to `visitor`."""
    try:
        file = open_regular(path, follow=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise PackageUnreadable(Reason(reason, reason)) from None
    if file is None:
        raise PackageUnreadable(Reason("it is no regular file", "不是普通文件"))
    try:
        with file:
            tar = TarStream(GzipStream(file, limits), limits)
            manifest, signed_by = _read_signed_manifest(tar, keys, limits)
            visitor.begin(manifest)
            _read_payload(tar, manifest, visitor)
    except OSError as error:
        raise PackageNotWritten(error) from None
    return Inspection(manifest, signed_by, sum(entry.size for entry in manifest.files), tar.count)


def _read_signed_manifest(tar: TarStream, keys: Mapping[str, Ed25519PublicKey], limits: Limits) -> tuple[Manifest, str]:
    raw = _read_small(tar, MANIFEST_NAME, limits.manifest_bytes)
    signature = _read_small(tar, SIGNATURE_NAME, SIGNATURE_BYTES)
    signed_by = verify(raw, signature, keys)
    return parse_manifest(raw), signed_by


def _read_small(tar: TarStream, name: str, most: int) -> bytes:
    member = tar.next_member()
    if member is None or member.name != name or member.is_directory:
        if name == SIGNATURE_NAME:
            raise PackageNotSigned()
        raise PackageUnreadable(Reason(f"its first member is not {name}", f"第一个成员不是 {name}"))
    if member.size > most:
        raise PackageTooLarge(Reason(f"bytes of {name}", f"{name} 字节数"), most)
    if member.mode != 0o644:
        raise PackageMemberRefused(name, _wrong_mode(member.mode, "0644"))
    return b"".join(tar.blocks(member))


def _read_payload(tar: TarStream, manifest: Manifest, visitor: Visitor) -> None:
    missing = {entry.path: entry for entry in manifest.files}
    folders = {folder for entry in manifest.files for folder in parents(entry.path)}
    while (member := tar.next_member()) is not None:
        if member.is_directory:
            if member.name not in folders:
                raise PackageMemberRefused(member.name, _OUTSIDE)
            continue
        entry = missing.pop(member.name, None)
        if entry is None:
            raise PackageMemberRefused(member.name, _OUTSIDE)
        _read_file(tar, member, entry, visitor)
    if missing:
        raise PackageMemberRefused(next(iter(missing)), Reason("it is missing", "缺失"))


_OUTSIDE = Reason("it is outside the manifest", "不在清单内")


def _read_file(tar: TarStream, member: Member, entry: FileEntry, visitor: Visitor) -> None:
    if member.size != entry.size:
        raise PackageMemberRefused(
            member.name,
            Reason(f"it has {member.size} bytes, not {entry.size}", f"大小为 {member.size} 而非 {entry.size}"),
        )
    if member.mode != entry.permissions:
        raise PackageMemberRefused(member.name, _wrong_mode(member.mode, entry.mode))
    digest = hashlib.sha256()
    with visitor.open(entry) as write:
        for block in tar.blocks(member):
            digest.update(block)
            write(block)
    if digest.hexdigest() != entry.sha256:
        raise PackageDigestWrong(member.name)


def _wrong_mode(found: int, wanted: str) -> Reason:
    return Reason(f"its mode is {found:04o}, not {wanted}", f"权限为 {found:04o} 而非 {wanted}")
