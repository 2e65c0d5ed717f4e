"""The manifest: what a package holds, as frozen facts, and its strict parser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

from .errors import PackageTooLarge, Reason
from .fields import as_choice, as_int, as_list, as_object, as_text, decode_json, join, refuse
from .names import path_fault, version_fault

FORMAT: Final = 1
PROTOCOL: Final = 1
MANIFEST_NAME: Final = "manifest.json"
SIGNATURE_NAME: Final = "manifest.json.sig"
SERVICES: Final = ("cloud", "compute", "storage")
COMMANDS: Final = ("stop", "start", "status", "health", "drain", "undrain")
ROLLBACKS: Final = ("safe", "until_commit", "never")
MODES: Final = ("0644", "0755")
MANIFEST_BYTES: Final = 16 * 1024 * 1024
FILES: Final = 100_000
FILE_BYTES: Final = 8**11 - 1  # the most that ustar's size field can say
NOTES_CHARACTERS: Final = 65_536
ARGUMENTS: Final = 64
ARGUMENT_CHARACTERS: Final = 4096
STATE_PATHS: Final = 64
_USER = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TOO_MANY_FILES = Reason("files", "文件数")
_TOO_LONG = Reason("bytes of manifest", "清单字节数")


@dataclass(frozen=True)
class Command:
    """One command of a service: arguments, user ("" = the agent's own), folder in the release, seconds."""

    argv: tuple[str, ...]
    user: str
    folder: str
    seconds: int


@dataclass(frozen=True)
class ServicePayload:
    """What the package does to one service; `minimum_version` is the oldest source version, or None."""

    payload: str
    minimum_version: str | None
    rollback: str
    state_paths: tuple[str, ...]
    commands: dict[str, Command]


@dataclass(frozen=True)
class FileEntry:
    """One file: path inside the package, hex sha256, size in bytes, mode "0644" or "0755"."""

    path: str
    sha256: str
    size: int
    mode: str

    @property
    def permissions(self) -> int:
        """The mode as a number."""
        return int(self.mode, 8)


@dataclass(frozen=True)
class Manifest:
    """All that the signature of a package vouches for."""

    version: str
    release_notes: str
    files: tuple[FileEntry, ...]
    services: dict[str, ServicePayload]
    format: int = FORMAT
    protocol: int = PROTOCOL

    def to_bytes(self) -> bytes:
        """Return the one JSON text of this manifest: sorted keys, UTF-8, no spaces."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8")

    def files_of(self, service: str) -> tuple[tuple[str, FileEntry], ...]:
        """Return (path relative to the payload directory, entry) of each file of one service, in order."""
        return self._files_of[service]

    @cached_property
    def _files_of(self) -> dict[str, tuple[tuple[str, FileEntry], ...]]:
        """What is asked for each host of a run: 20,000 files are looked through once."""
        roots = {name: payload.payload + "/" for name, payload in self.services.items()}
        return {
            name: tuple((file.path.removeprefix(root), file) for file in self.files if file.path.startswith(root))
            for name, root in roots.items()
        }

    def spec_of(self, service: str) -> str:
        """Return what a host keeps of one service (docs/host-script.md): its files and its commands."""
        return self._specs[service]

    @cached_property
    def _specs(self) -> dict[str, str]:
        return {name: "".join(f"{line}\n" for line in self._spec_lines(name)) for name in self.services}

    def _spec_lines(self, service: str) -> Iterator[str]:
        for path, entry in self.files_of(service):
            yield f"F {entry.mode} {entry.sha256} {entry.size} {path}"
        for name, command in self.services[service].commands.items():
            yield f"H {name} {command.seconds} {command.user or '-'} {command.folder}"
            yield from (f"A {word}" for word in command.argv)

    def checksum_list(self, service: str) -> bytes:
        """Return one service's list for `sha256sum -c`, with paths relative to its payload directory."""
        return b"".join(f"{entry.sha256}  {path}\n".encode() for path, entry in self.files_of(service))


def parse_manifest(raw: bytes) -> Manifest:
    """Return the manifest that `raw` says; PackageManifestInvalid or PackageTooLarge else."""
    if len(raw) > MANIFEST_BYTES:
        raise PackageTooLarge(_TOO_LONG, MANIFEST_BYTES)
    return read_manifest(decode_json(raw))


def read_manifest(value: object) -> Manifest:
    """Return the manifest of an already decoded JSON value, checked as a whole."""
    data = as_object(value, "", ("format", "protocol", "version", "release_notes", "files", "services"))
    for key, known in (("format", FORMAT), ("protocol", PROTOCOL)):
        if as_int(data[key], key, 0, 2**31) != known:
            refuse(key, f"this manager knows {known} only", f"此管理程序仅支持 {known}")
    if isinstance(data["files"], list) and len(data["files"]) > FILES:
        raise PackageTooLarge(_TOO_MANY_FILES, FILES)
    services = as_object(data["services"], "services")
    manifest = Manifest(
        version=_version(data["version"], "version"),
        release_notes=as_text(data["release_notes"], "release_notes", NOTES_CHARACTERS, allow="\n\t"),
        files=tuple(_file(v, f"files[{i}]") for i, v in enumerate(as_list(data["files"], "files", FILES))),
        services={
            as_choice(name, join("services", name), SERVICES): _service(v, join("services", name))
            for name, v in services.items()
        },
    )
    _check_payloads(manifest.services)
    _check_files(manifest)
    return manifest


def _file(value: object, path: str) -> FileEntry:
    data = as_object(value, path, ("path", "sha256", "size", "mode"))
    digest = as_text(data["sha256"], join(path, "sha256"), 64)
    if not _SHA256.fullmatch(digest):
        refuse(join(path, "sha256"), "must be 64 lower-case hex digits", "必须是 64 位小写十六进制")
    return FileEntry(
        path=_path(data["path"], join(path, "path")),
        sha256=digest,
        size=as_int(data["size"], join(path, "size"), 0, FILE_BYTES),
        mode=as_choice(data["mode"], join(path, "mode"), MODES),
    )


def _service(value: object, path: str) -> ServicePayload:
    data = as_object(value, path, ("payload", "minimum_version", "rollback", "state_paths", "commands"))
    least, states = data["minimum_version"], join(path, "state_paths")
    commands = as_object(data["commands"], join(path, "commands"))
    return ServicePayload(
        payload=_path(data["payload"], join(path, "payload")),
        minimum_version=None if least is None else _version(least, join(path, "minimum_version")),
        rollback=as_choice(data["rollback"], join(path, "rollback"), ROLLBACKS),
        state_paths=tuple(
            _path(v, f"{states}[{i}]", absolute=True)
            for i, v in enumerate(as_list(data["state_paths"], states, STATE_PATHS))
        ),
        commands={
            as_choice(name, f"{path}.commands.{name}", COMMANDS): _command(v, f"{path}.commands.{name}")
            for name, v in commands.items()
        },
    )


def _command(value: object, path: str) -> Command:
    data = as_object(value, path, ("argv", "user", "folder", "seconds"))
    where = join(path, "argv")
    argv = tuple(
        as_text(v, f"{where}[{i}]", ARGUMENT_CHARACTERS) for i, v in enumerate(as_list(data["argv"], where, ARGUMENTS))
    )
    if not argv or not argv[0]:
        refuse(where, "must name a program", "必须指定程序")
    user = as_text(data["user"], join(path, "user"), 32)
    if user and not _USER.fullmatch(user):
        refuse(join(path, "user"), "is not a user name", "不是有效的用户名")
    folder = data["folder"] if data["folder"] == "." else _path(data["folder"], join(path, "folder"))
    return Command(argv, user, folder, as_int(data["seconds"], join(path, "seconds"), 1, 3600))


def _version(value: object, path: str) -> str:
    version = as_text(value, path, 255)
    if fault := version_fault(version):
        refuse(path, *fault)
    return version


def _path(value: object, path: str, *, absolute: bool = False) -> str:
    text = as_text(value, path, 4096)
    fault = path_fault(text.removeprefix("/") if absolute else text)
    if fault:
        refuse(path, *fault)
    return text


def _check_payloads(services: dict[str, ServicePayload]) -> None:
    if not services:
        refuse("services", "names no service", "未包含任何服务")
    ordered = sorted((payload.payload + "/", name) for name, payload in services.items())
    for root, name in ordered:
        if root.split("/")[0] in (MANIFEST_NAME, SIGNATURE_NAME):
            refuse(f"services.{name}.payload", "is reserved for the manifest", "该名称保留给清单使用")
        if any(other != name and (r.startswith(root) or root.startswith(r)) for r, other in ordered):
            refuse(f"services.{name}.payload", "overlaps another service's", "与其他服务的目录重叠")


def _check_files(manifest: Manifest) -> None:
    roots = {payload.payload + "/": name for name, payload in manifest.services.items()}
    folders = {folder for entry in manifest.files for folder in parents(entry.path)}
    seen: set[str] = set()
    used: set[str] = set()
    for i, entry in enumerate(manifest.files):
        where = f"files[{i}].path"
        if entry.path in seen:
            refuse(where, "the path appears twice", "路径重复出现")
        if entry.path in folders:
            refuse(where, "is a file and a directory", "既是文件又是目录")
        owner = next((name for root, name in roots.items() if entry.path.startswith(root)), None)
        if owner is None:
            refuse(where, "lies in no service's payload directory", "不在任何服务的目录内")
        seen.add(entry.path)
        used.add(owner)
    for name in manifest.services:
        if name not in used:
            refuse(f"services.{name}.payload", "holds no file", "不包含任何文件")


def parents(path: str) -> Iterable[str]:
    """Return each directory above `path`, the nearest last."""
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))


def command_from(data: dict[str, Any]) -> dict[str, Any]:
    """Return a command as `package.toml` may write it, with what it leaves out filled in."""
    return {"user": "", "folder": ".", "seconds": 60, **data}
