"""Reading the source directory of a package: what may go in, and what `package.toml` says."""

from __future__ import annotations

import hashlib
import os
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from .errors import PackageSourceRefused, PackageTooLarge, Reason
from .fields import as_object
from .files import open_regular
from .manifest import FILES, SERVICES, FileEntry, command_from
from .names import name_fault, path_fault
from .writer import tar_header

BLOCK = 1024 * 1024
SETTINGS_NAME = "package.toml"
SETTINGS_BYTES = 1024 * 1024
PAYLOAD = "payload"


def refuse(path: str, english: str, chinese: str) -> NoReturn:
    """Raise PackageSourceRefused for one path of the source."""
    raise PackageSourceRefused(path, Reason(english, chinese))


def read_source(source: Path) -> dict[str, list[FileEntry]]:
    """Return the files of each service directory in the source, sorted; refuses all else there."""
    try:
        names = sorted(entry.name for entry in os.scandir(source))
        for name in names:
            if name not in (*SERVICES, SETTINGS_NAME):
                refuse(name, "is neither a service nor package.toml", "既不是服务目录也不是 package.toml")
        found = {name: list(_walk(source, name)) for name in names if name in SERVICES}
    except OSError as error:
        reason = error.strerror or type(error).__name__
        refuse(str(error.filename or source.name), f"cannot be read ({reason})", f"无法读取（{reason}）")
    if not found:
        refuse(source.name, "holds no service directory", "不包含任何服务目录")
    if sum(map(len, found.values())) > FILES:
        raise PackageTooLarge(Reason("files", "文件数"), FILES)
    return found


def _walk(source: Path, relative: str) -> Iterator[FileEntry]:
    folder = source / relative
    if not stat.S_ISDIR(folder.lstat().st_mode):
        refuse(relative, "is not a directory", "不是目录")
    names = sorted(entry.name for entry in os.scandir(folder))
    if not names:
        refuse(relative, "is an empty directory, which a package cannot hold", "是空目录，无法打包")
    for name in names:
        path = f"{relative}/{name}"
        if fault := name_fault(name) or path_fault(f"{PAYLOAD}/{path}"):
            refuse(path, f"is refused: {fault.english}", f"被拒绝：{fault.chinese}")
        kind = (source / path).lstat().st_mode
        if stat.S_ISDIR(kind):
            yield from _walk(source, path)
        elif stat.S_ISREG(kind):
            yield _entry(source, path)
        elif stat.S_ISLNK(kind):
            refuse(path, "is a link", "是链接")
        else:
            refuse(path, "is neither a file nor a directory", "既不是文件也不是目录")


def open_source(source: Path, relative: str) -> BinaryIO:
    """Open one regular file of the source without following a link that took its place."""
    file = open_regular(source / relative)
    if file is None:
        refuse(relative, "is not a regular file", "不是普通文件")
    return file


def _entry(source: Path, relative: str) -> FileEntry:
    digest, size = hashlib.sha256(), 0
    with open_source(source, relative) as file:
        executable = bool(os.fstat(file.fileno()).st_mode & stat.S_IXUSR)
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
    path = f"{PAYLOAD}/{relative}"
    try:
        tar_header(path, size, 0o644)
    except ValueError:
        refuse(relative, "does not fit a ustar archive (name or size)", "超出 ustar 格式限制（名称或大小）")
    return FileEntry(path, digest.hexdigest(), size, "0755" if executable else "0644")


def read_settings(source: Path) -> dict[str, Any]:
    """Return `package.toml` as a dictionary; empty when there is none."""
    try:
        with open_source(source, SETTINGS_NAME) as file:
            raw = file.read(SETTINGS_BYTES + 1)
        if len(raw) > SETTINGS_BYTES:
            raise PackageTooLarge(Reason("bytes of package.toml", "package.toml 字节数"), SETTINGS_BYTES)
        return tomllib.loads(raw.decode("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        reason = error.strerror or type(error).__name__
        refuse(SETTINGS_NAME, f"cannot be read ({reason})", f"无法读取（{reason}）")
    except (ValueError, RecursionError):
        refuse(SETTINGS_NAME, "is not valid TOML", "不是有效的 TOML")


def services_from(settings: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Return the manifest's `services` for the service directories `names`, with defaults filled in."""
    given = as_object(settings.get("services", {}), "services")
    for name in given:
        if name not in names:
            refuse(SETTINGS_NAME, f"describes {name}, which has no directory", f"描述了没有目录的 {name}")
    return {name: _service_from(name, as_object(given.get(name, {}), f"services.{name}")) for name in names}


def _service_from(name: str, given: dict[str, Any]) -> dict[str, Any]:
    path = f"services.{name}"
    commands = as_object(given.get("commands", {}), f"{path}.commands")
    return {
        "minimum_version": None,
        "rollback": "safe",
        "state_paths": [],
        **given,
        "payload": f"{PAYLOAD}/{name}",
        "commands": {key: command_from(as_object(value, f"{path}.commands.{key}")) for key, value in commands.items()},
    }
