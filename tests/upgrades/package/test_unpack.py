"""Unpacking: the same tree and modes come out, all of it or nothing; and the stream for a host."""

from __future__ import annotations

import io
import os
import signal
import stat
import subprocess
import sys
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from upgrades.package import unpack as unpack_module
from upgrades.package.build import build_package
from upgrades.package.errors import (
    PackageDigestWrong,
    PackageNotSigned,
    PackageNotWritten,
    PackageServiceMissing,
    UnpackTargetExists,
)
from upgrades.package.sign import public_key_text
from upgrades.package.unpack import payload_tar, unpack_package

from .forge import CONTENT, Forge, header, member

MIB = 1024 * 1024


def tree(root: Path) -> dict[str, tuple[bytes, bool]]:
    """Return path → (content, executable by its owner) of each file below `root`."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR))
        for path in root.rglob("*")
        if path.is_file()
    }


def test_what_was_built_comes_out_again(forge: Forge, source: Path, output: Path, tmp_path: Path) -> None:
    path = build_package(source, "2.0", output, forge.key)
    target = tmp_path / "target"
    mask = os.umask(0o077)
    try:
        found = unpack_package(path, target, forge.keys)
    finally:
        os.umask(mask)
    (source / "package.toml").unlink()
    assert tree(target / "payload") == tree(source)
    modes = {e.path: stat.S_IMODE((target / e.path).stat().st_mode) for e in found.manifest.files}
    assert modes == {e.path: e.permissions for e in found.manifest.files}
    folders = [target, *(p for p in target.rglob("*") if p.is_dir())]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o755}


def test_only_the_wanted_services_are_written(forge: Forge, source: Path, output: Path, tmp_path: Path) -> None:
    path = build_package(source, "2.0", output, forge.key)
    unpack_package(path, tmp_path / "target", forge.keys, ["cloud"])
    assert list(tree(tmp_path / "target")) == ["payload/cloud/app@1.0+x.txt"]
    with pytest.raises(PackageServiceMissing, match="cloud, storage"):
        unpack_package(path, tmp_path / "other", forge.keys, ["compute"])
    assert not (tmp_path / "other").exists()


def test_a_refused_package_leaves_nothing(forge: Forge, tmp_path: Path) -> None:
    target = tmp_path / "folder" / "target"
    target.parent.mkdir()
    (daemon, script), (data, content) = CONTENT.items()
    link = header("payload/storage/bin", 0, tarfile.SYMTYPE, linkname="/tmp")
    for members in (
        [member(daemon, script), member(data, b"x" * len(content))],
        [member(daemon, script)],
        [link, member(daemon, script), member(data, content)],
        [member(daemon, script), member(data, content), member("payload/storage/evil", b"")],
    ):
        with pytest.raises(Exception, match="package"):
            unpack_package(forge.package(*members), target, forge.keys)
        assert list(target.parent.iterdir()) == []
    with pytest.raises(PackageNotSigned):
        unpack_package(forge.package(), target, {})
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("kind", ["directory", "file", "link"])
def test_an_existing_target_is_left_alone(forge: Forge, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "target"
    if kind == "link":
        target.symlink_to("nowhere")
    else:
        target.mkdir() if kind == "directory" else target.touch()
    with pytest.raises(UnpackTargetExists):
        unpack_package(forge.package(), target, forge.keys)
    assert target.is_symlink() or not target.is_dir() or list(target.iterdir()) == []


def test_a_full_disk_is_a_typed_error_and_leaves_nothing(
    forge: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unpack_module, "sync_directory", full)
    (tmp_path / "folder").mkdir()
    with pytest.raises(PackageNotWritten, match="No space left"):
        unpack_package(forge.package(), tmp_path / "folder" / "target", forge.keys)
    assert list((tmp_path / "folder").iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from upgrades.package import unpack
from upgrades.package.sign import fingerprint, load_public_key
unpack._sync_tree = lambda root: os.kill(os.getpid(), signal.SIGKILL)
key = load_public_key(sys.argv[3])
unpack.unpack_package(Path(sys.argv[1]), Path(sys.argv[2]), {fingerprint(key): key})
"""


def test_a_kill_before_the_end_leaves_no_target(forge: Forge, tmp_path: Path) -> None:
    target = tmp_path / "target"
    path, key = forge.package(), public_key_text(forge.key)
    ended = subprocess.run([sys.executable, "-c", KILLED, path, target, key], timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not target.exists()
    assert unpack_package(path, target, forge.keys).members == 4
    assert tree(target)["payload/storage/data"][0] == CONTENT["payload/storage/data"]


def test_payload_tar_is_one_services_tree(forge: Forge, source: Path, output: Path, tmp_path: Path) -> None:
    found = unpack_package(build_package(source, "2.0", output, forge.key), tmp_path / "target", forge.keys)
    blocks = list(payload_tar(tmp_path / "target", found.manifest, "storage"))
    assert max(map(len, blocks)) <= MIB
    raw = b"".join(blocks)
    assert len(raw) % 10240 == 0
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        assert not archive.pax_headers
        got = {
            m.name: (stream.read(), bool(m.mode & stat.S_IXUSR)) for m in archive if (stream := archive.extractfile(m))
        }
    assert got == tree(source / "storage")


def test_payload_tar_holds_only_what_is_wanted_and_the_rest_of_a_file(forge: Forge, tmp_path: Path) -> None:
    found = unpack_package(forge.package(), tmp_path / "target", forge.keys)
    raw = b"".join(payload_tar(tmp_path / "target", found.manifest, "storage", {2: 600}))
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        assert [(m.name, m.size) for m in archive] == [("%rest/2.600", 100)]
    with tarfile.open(fileobj=io.BytesIO(b"".join(payload_tar(tmp_path, found.manifest, "storage", {})))) as archive:
        assert archive.getnames() == []
    (tmp_path / "target/payload/storage/data").write_bytes(b"e" + b"d" * 699)
    with pytest.raises(PackageDigestWrong):
        list(payload_tar(tmp_path / "target", found.manifest, "storage", {2: 600}))


def test_payload_tar_needs_flat_memory(forge: Forge, source: Path, output: Path, tmp_path: Path) -> None:
    (source / "storage/large").write_bytes(os.urandom(MIB) * 12)
    found = unpack_package(build_package(source, "2.0", output, forge.key), tmp_path / "target", forge.keys)
    tracemalloc.start()
    try:
        total = sum(map(len, payload_tar(tmp_path / "target", found.manifest, "storage")))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total > 12 * MIB
    assert peak < 5 * MIB


@pytest.mark.parametrize("change", [b"", b"short", b"d" * 699 + b"e", b"d" * 701])
def test_payload_tar_sends_no_file_that_changed(forge: Forge, tmp_path: Path, change: bytes) -> None:
    found = unpack_package(forge.package(), tmp_path / "target", forge.keys)
    (tmp_path / "target/payload/storage/data").write_bytes(change)
    with pytest.raises(PackageDigestWrong, match="payload/storage/data"):
        list(payload_tar(tmp_path / "target", found.manifest, "storage"))


def test_payload_tar_reads_no_more_of_a_file_that_grew(forge: Forge, tmp_path: Path) -> None:
    found = unpack_package(forge.package(), tmp_path / "target", forge.keys)
    os.truncate(tmp_path / "target/payload/storage/data", 64 * MIB)
    os.truncate(tmp_path / "target/payload/storage/bin/daemon", 64 * MIB)
    tracemalloc.start()
    try:
        with pytest.raises(PackageDigestWrong, match="bin/daemon"):
            list(payload_tar(tmp_path / "target", found.manifest, "storage"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * MIB


def test_payload_tar_follows_no_link_and_knows_its_services(forge: Forge, tmp_path: Path) -> None:
    found = unpack_package(forge.package(), tmp_path / "target", forge.keys)
    with pytest.raises(PackageServiceMissing):
        payload_tar(tmp_path / "target", found.manifest, "cloud")
    data = tmp_path / "target/payload/storage/data"
    data.rename(tmp_path / "moved")
    data.symlink_to(tmp_path / "moved")
    with pytest.raises(PackageNotWritten):
        list(payload_tar(tmp_path / "target", found.manifest, "storage"))
