"""The manifest's parser takes exactly what the format says and names the path at fault."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from upgrades.package.errors import PackageManifestInvalid, PackageTooLarge
from upgrades.package.manifest import ARGUMENTS, FILES, MANIFEST_BYTES, parse_manifest

from .forge import entry, manifest_data

STOP = "services.storage.commands.stop"


def parse(data: Any) -> Any:
    return parse_manifest(json.dumps(data).encode())


def with_value(path: list[Any], value: Any) -> dict[str, Any]:
    data = copy.deepcopy(manifest_data())
    target: Any = data
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return data


def test_a_right_manifest_survives_a_round_trip() -> None:
    manifest = parse(manifest_data())
    assert json.loads(manifest.to_bytes()) == manifest_data()
    assert parse_manifest(manifest.to_bytes()) == manifest
    assert manifest.services["storage"].commands["stop"].argv == ("bin/daemon", "stop")


@pytest.mark.parametrize("name", ["drain", "undrain", "status"])
def test_a_service_may_have_any_of_the_known_commands(name: str) -> None:
    command = manifest_data()["services"]["storage"]["commands"]["stop"]
    manifest = parse(with_value(["services", "storage", "commands", name], command))
    assert manifest.services["storage"].commands.keys() == {"stop", name}


def test_files_of_a_service_are_relative_to_its_payload() -> None:
    manifest = parse(manifest_data())
    assert [path for path, _ in manifest.files_of("storage")] == ["bin/daemon", "data"]
    assert manifest.checksum_list("storage").splitlines()[1].endswith(b"  data")


@pytest.mark.parametrize("version", ["1.4.rc2", "3.2.5.0", "1.0+local.1", "2024.1.post1"])
def test_versions_stay_as_written(version: str) -> None:
    assert parse(with_value(["version"], version)).version == version


COMMAND = ["services", "storage", "commands", "stop"]
REFUSED: list[tuple[list[Any], Any, str]] = [
    (["format"], 2, "format"),
    (["format"], True, "format"),
    (["protocol"], 1.0, "protocol"),
    (["extra"], 1, "extra"),
    (["version"], "1!2", "version"),
    (["version"], "one", "version"),
    (["version"], "../1", "version"),
    (["version"], " 1.0", "version"),
    (["version"], "1" * 65, "version"),
    (["version"], 1, "version"),
    (["release_notes"], "bell\x07", "release_notes"),
    (["release_notes"], None, "release_notes"),
    (["release_notes"], "\ud800", "release_notes"),
    (["files"], {}, "files"),
    (["files", 0, "path"], "/payload/storage/x", "files[0].path"),
    (["files", 0, "path"], "payload/storage/../x", "files[0].path"),
    (["files", 0, "path"], "payload/storage//x", "files[0].path"),
    (["files", 0, "path"], "payload/storage/-x", "files[0].path"),
    (["files", 0, "path"], "payload/storage/...", "files[0].path"),
    (["files", 0, "path"], "payload/storage/a b", "files[0].path"),
    (["files", 0, "path"], "payload/storage/é", "files[0].path"),
    (["files", 0, "path"], "payload/storage/a\n", "files[0].path"),
    (["files", 0, "path"], "payload/storage", "files[0].path"),
    (["files", 0, "path"], "payload/storage2/x", "files[0].path"),
    (["files", 0, "path"], "payload/storage" + "/x" * 19, "files[0].path"),
    (["files", 0, "path"], "payload/storage/" + "x" * 240, "files[0].path"),
    (["files", 0, "sha256"], "A" * 64, "files[0].sha256"),
    (["files", 0, "sha256"], "a" * 63, "files[0].sha256"),
    (["files", 0, "size"], -1, "files[0].size"),
    (["files", 0, "size"], 8**11, "files[0].size"),
    (["files", 0, "size"], "5", "files[0].size"),
    (["files", 0, "mode"], "4755", "files[0].mode"),
    (["files", 0, "mode"], 0o644, "files[0].mode"),
    (["services"], {}, "services"),
    (["services", "network"], {}, "services.network"),
    (["services", "storage", "payload"], "manifest.json", "services.storage.payload"),
    (["services", "storage", "minimum_version"], "", "services.storage.minimum_version"),
    (["services", "storage", "rollback"], "maybe", "services.storage.rollback"),
    (["services", "storage", "state_paths"], ["/var/../etc"], "services.storage.state_paths[0]"),
    (["services", "storage", "commands", "format_disk"], {}, "services.storage.commands.format_disk"),
    ([*COMMAND, "argv"], [], f"{STOP}.argv"),
    ([*COMMAND, "argv"], [""], f"{STOP}.argv"),
    ([*COMMAND, "argv"], "stop", f"{STOP}.argv"),
    ([*COMMAND, "argv"], ["x", "a\nb"], f"{STOP}.argv[1]"),
    ([*COMMAND, "argv"], ["x", "a\0b"], f"{STOP}.argv[1]"),
    ([*COMMAND, "argv"], ["x", "y" * 4097], f"{STOP}.argv[1]"),
    ([*COMMAND, "argv"], ["x"] * (ARGUMENTS + 1), f"{STOP}.argv"),
    ([*COMMAND, "user"], "root;id", f"{STOP}.user"),
    ([*COMMAND, "folder"], "/etc", f"{STOP}.folder"),
    ([*COMMAND, "seconds"], 0, f"{STOP}.seconds"),
    ([*COMMAND, "seconds"], 3601, f"{STOP}.seconds"),
    ([*COMMAND, "shell"], True, f"{STOP}.shell"),
]


@pytest.mark.parametrize(("path", "value", "at_fault"), REFUSED)
def test_a_wrong_value_is_refused_by_its_path(path: list[Any], value: Any, at_fault: str) -> None:
    with pytest.raises(PackageManifestInvalid) as refusal:
        parse(with_value(path, value))
    assert refusal.value.path == at_fault


@pytest.mark.parametrize("key", ["format", "version", "files", "services"])
def test_a_missing_key_is_refused(key: str) -> None:
    data = manifest_data()
    del data[key]
    with pytest.raises(PackageManifestInvalid) as refusal:
        parse(data)
    assert refusal.value.path == key


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b"\xff{}",
        b'{"format": NaN}',
        b"[" * 100_000,
        b'{"format": ' + b"9" * 5000 + b"}",
        "{}".encode("utf-16"),
    ],
)
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(PackageManifestInvalid):
        parse_manifest(raw)


def test_a_doubled_key_is_refused() -> None:
    raw = json.dumps(manifest_data()).replace('"format": 1', '"format": 1, "format": 1', 1)
    with pytest.raises(PackageManifestInvalid, match="twice"):
        parse_manifest(raw.encode())


def test_a_path_that_appears_twice_is_refused() -> None:
    data = manifest_data()
    data["files"].append(data["files"][0])
    with pytest.raises(PackageManifestInvalid, match=r"files\[2\].path"):
        parse(data)


def test_a_file_that_is_also_a_directory_is_refused() -> None:
    data = manifest_data()
    data["files"].append(entry("payload/storage/data/below", b""))
    with pytest.raises(PackageManifestInvalid, match=r"files\[1\].path"):
        parse(data)


@pytest.mark.parametrize("payload", ["payload", "payload/storage", "payload/storage/bin"])
def test_payloads_that_overlap_are_refused(payload: str) -> None:
    data = manifest_data()
    data["services"]["cloud"] = data["services"]["storage"] | {"payload": payload}
    with pytest.raises(PackageManifestInvalid, match="overlaps"):
        parse(data)


def test_a_service_without_files_is_refused() -> None:
    data = manifest_data()
    data["services"]["cloud"] = data["services"]["storage"] | {"payload": "payload/cloud"}
    with pytest.raises(PackageManifestInvalid, match="services.cloud.payload"):
        parse(data)


def test_too_many_files_and_too_many_bytes_are_refused() -> None:
    with pytest.raises(PackageTooLarge):
        parse(with_value(["files"], [None] * (FILES + 1)))
    with pytest.raises(PackageTooLarge):
        parse_manifest(b" " * (MANIFEST_BYTES + 1))
