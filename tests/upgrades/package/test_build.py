"""Building: the same bytes every time, readable by the world's tools, and only of clean sources."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from upgrades.package.build import build_package
from upgrades.package.errors import (
    PackageFileExists,
    PackageManifestInvalid,
    PackageNotWritten,
    PackageSourceRefused,
    PackageTooLarge,
)
from upgrades.package.inspect import inspect_package

from .forge import Forge


def test_the_same_source_gives_the_same_bytes(forge: Forge, source: Path, output: Path, tmp_path: Path) -> None:
    first = build_package(source, "1.4.rc2", output, forge.key)
    again = shutil.copytree(source, tmp_path / "again")
    for path in again.rglob("*"):
        os.utime(path, (1, 1))
    (tmp_path / "other").mkdir()
    second = build_package(again, "1.4.rc2", tmp_path / "other", forge.key)
    assert first.name == "updatepackage_1.4.rc2.tar.gz"
    assert first.read_bytes() == second.read_bytes()


def test_a_package_begins_with_manifest_and_signature_in_plain_ustar(forge: Forge, source: Path, output: Path) -> None:
    path = build_package(source, "2.0", output, forge.key)
    manifest = inspect_package(path, forge.keys).manifest
    with tarfile.open(path) as archive:
        members = archive.getmembers()
        assert not archive.pax_headers
    listed = [entry.path for entry in manifest.files]
    assert [m.name for m in members] == ["manifest.json", "manifest.json.sig", *listed]
    assert listed == sorted(listed)
    assert {(m.mtime, m.uid, m.gid, m.uname, m.type) for m in members} == {(0, 0, 0, "", tarfile.REGTYPE)}
    assert [m.mode for m in members[2:]] == [entry.permissions for entry in manifest.files]
    assert members[1].size == 64


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs tar: apt-get install tar")
def test_the_systems_tar_lists_a_package(forge: Forge, source: Path, output: Path) -> None:
    path = build_package(source, "2.0", output, forge.key)
    listed = subprocess.run(["tar", "-tzf", path], capture_output=True, text=True, timeout=20, check=True)
    assert listed.stdout.splitlines()[:2] == ["manifest.json", "manifest.json.sig"]
    assert listed.stderr == ""


def test_package_toml_becomes_the_manifest(forge: Forge, source: Path, output: Path) -> None:
    manifest = inspect_package(build_package(source, "2.0", output, forge.key), forge.keys).manifest
    storage, cloud = manifest.services["storage"], manifest.services["cloud"]
    assert manifest.release_notes == "From the source"
    assert (storage.minimum_version, storage.rollback) == ("1.0", "never")
    assert storage.state_paths == ("/var/lib/storage",)
    stop = storage.commands["stop"]
    assert (stop.argv, stop.user, stop.folder, stop.seconds) == (("bin/daemon", "stop"), "", ".", 5)
    assert (cloud.minimum_version, cloud.rollback, cloud.commands) == (None, "safe", {})
    assert {e.path: e.mode for e in manifest.files}["payload/storage/bin/daemon"] == "0755"
    assert {e.path: e.mode for e in manifest.files}["payload/storage/data.bin"] == "0644"


def test_notes_of_the_caller_win(forge: Forge, source: Path, output: Path) -> None:
    path = build_package(source, "2.0", output, forge.key, notes="By hand")
    assert inspect_package(path, forge.keys).manifest.release_notes == "By hand"


def test_building_again_is_safe_but_never_overwrites_another_content(forge: Forge, source: Path, output: Path) -> None:
    path = build_package(source, "2.0", output, forge.key)
    before = path.stat()
    assert build_package(source, "2.0", output, forge.key) == path
    (source / "cloud/new").write_text("new")
    with pytest.raises(PackageFileExists):
        build_package(source, "2.0", output, forge.key)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [p.name for p in output.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda s: (s / "cloud/link").symlink_to("app"), "cloud/link` is a link"),
        (lambda s: (s / "cloud/loop").symlink_to(s), "is a link"),
        (lambda s: (s / "compute").symlink_to("cloud"), "`compute` is not a directory"),
        (lambda s: os.mkfifo(s / "cloud/pipe"), "neither a file nor a directory"),
        (lambda s: (s / "cloud/a b").touch(), "cloud/a b` is refused"),
        (lambda s: (s / "cloud/-rf").touch(), "may not begin with -"),
        (lambda s: (s / os.fsdecode(b"cloud/\xff")).touch(), "is refused"),
        (lambda s: (s / "cloud" / ("x" * 101)).touch(), "does not fit a ustar"),
        (lambda s: (s / "cloud" / "/".join(["d"] * 19)).mkdir(parents=True), "deeper|empty"),
        (lambda s: (s / "cloud/empty").mkdir(), "empty directory"),
        (lambda s: (s / "compute").mkdir(), "empty directory"),
        (lambda s: (s / "network").mkdir(), "neither a service"),
        (lambda s: (s / "README").touch(), "neither a service"),
        (lambda s: (s / "compute").touch(), "not a directory"),
        (lambda s: (s / "package.toml").write_text("a = "), "not valid TOML"),
        (lambda s: (s / "package.toml").rename(s / "cloud/x") and (s / "package.toml").mkdir(), "regular"),
        (lambda s: (s / "package.toml").write_text("[services.compute]"), "no directory"),
    ],
)
def test_a_source_that_cannot_be_packed_is_refused(
    forge: Forge, source: Path, output: Path, spoil: object, reason: str
) -> None:
    assert callable(spoil)
    spoil(source)
    with pytest.raises(PackageSourceRefused, match=reason):
        build_package(source, "2.0", output, forge.key)
    assert list(output.iterdir()) == []


@pytest.mark.parametrize(
    ("toml", "at_fault"),
    [
        ("other = 1", "other"),
        ("services = 1", "services"),
        ("release_notes = 5", "release_notes"),
        ("[services.cloud]\npayload2 = 'x'", "services.cloud.payload2"),
        ("[services.cloud]\nminimum_version = 'x'", "services.cloud.minimum_version"),
        ("[services.cloud.commands]\nstop = 'x'", "services.cloud.commands.stop"),
        ("[services.cloud.commands.stop]\nargv = [2020-01-01]", "services.cloud.commands.stop.argv[0]"),
        ("[services.cloud.commands.pre]\nargv = ['x']", "services.cloud.commands.pre"),
    ],
)
def test_a_wrong_package_toml_is_refused_by_its_path(
    forge: Forge, source: Path, output: Path, toml: str, at_fault: str
) -> None:
    (source / "package.toml").write_text(toml)
    with pytest.raises(PackageManifestInvalid) as refusal:
        build_package(source, "2.0", output, forge.key)
    assert refusal.value.path == at_fault


def test_an_empty_or_missing_source_is_refused(forge: Forge, tmp_path: Path, output: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "missing"):
        with pytest.raises(PackageSourceRefused):
            build_package(tmp_path / name, "2.0", output, forge.key)


@pytest.mark.parametrize("version", ["", "../2.0", "one", "-1", "2.0 "])
def test_a_wrong_version_is_refused(forge: Forge, source: Path, output: Path, version: str) -> None:
    with pytest.raises(PackageManifestInvalid, match="version"):
        build_package(source, version, output, forge.key)


def test_what_intake_would_refuse_is_not_built(forge: Forge, source: Path, output: Path) -> None:
    (source / "cloud/zeros").write_bytes(bytes(20 * 1024 * 1024))
    with pytest.raises(PackageTooLarge, match="compression bomb"):
        build_package(source, "2.0", output, forge.key)
    assert list(output.iterdir()) == []


def test_a_missing_output_directory_is_a_typed_error(forge: Forge, source: Path, tmp_path: Path) -> None:
    with pytest.raises(PackageNotWritten):
        build_package(source, "2.0", tmp_path / "missing", forge.key)


def test_a_package_is_one_stream_that_tarfile_agrees_with(forge: Forge, source: Path, output: Path) -> None:
    raw = build_package(source, "2.0", output, forge.key).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(raw), mode="r|gz") as archive:
        contents = {m.name: stream.read() for m in archive if (stream := archive.extractfile(m))}
    assert contents["payload/storage/data.bin"] == (source / "storage/data.bin").read_bytes()
