"""The rules for names, paths and versions that a package may carry (design: `[A-Za-z0-9._+@-]+`)."""

from __future__ import annotations

import re

from packaging.version import InvalidVersion, Version

from .errors import Reason

NAME = re.compile(r"[A-Za-z0-9._+@-]+")
PATH_BYTES = 255
PATH_COMPONENTS = 20
VERSION_CHARACTERS = 64


def name_fault(name: str) -> Reason | None:
    """Return why `name` cannot be one component of a path, or None."""
    if not name:
        return Reason("it has an empty component", "存在空的路径组成部分")
    if name == "..":
        return Reason("it holds `..`", "包含 `..`")
    if not NAME.fullmatch(name):
        return Reason("only A-Z a-z 0-9 . _ + @ - are allowed in names", "名称只允许 A-Z a-z 0-9 . _ + @ -")
    if name.startswith("-") or not name.strip("."):
        return Reason("a name may not begin with - or consist of dots", "名称不能以 - 开头或仅由点组成")
    return None


def path_fault(path: str) -> Reason | None:
    """Return why `path` cannot be a relative path inside a package, or None."""
    if path.startswith("/"):
        return Reason("it is absolute", "是绝对路径")
    if len(path.encode("utf-8", "surrogatepass")) > PATH_BYTES:
        return Reason(f"its path is longer than {PATH_BYTES} bytes", f"路径超过 {PATH_BYTES} 字节")
    components = path.split("/")
    if len(components) > PATH_COMPONENTS:
        return Reason(f"it is deeper than {PATH_COMPONENTS} directories", f"目录层级超过 {PATH_COMPONENTS}")
    faults = [fault for fault in map(name_fault, components) if fault]
    return next((f for f in faults if "`..`" in f.english), faults[0] if faults else None)


def version_fault(version: str) -> Reason | None:
    """Return why `version` cannot name a release (PEP 440, and one component of a path), or None."""
    if len(version) > VERSION_CHARACTERS:
        return Reason(f"longer than {VERSION_CHARACTERS} characters", f"超过 {VERSION_CHARACTERS} 个字符")
    if fault := name_fault(version):
        return fault
    try:
        Version(version)
    except InvalidVersion:
        return Reason("not a version by PEP 440", "不是符合 PEP 440 的版本")
    return None
