"""The folders of hosts: which one a host may have, and what runs in one of this machine."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

from sysmgr import env

from .errors import HostRootRefused, HostRootTaken
from .models import Host

# What the product itself keeps in the data directory.
OWN_FOLDERS = ("keys", "packages", "quarantine", "uploads", "work", "static", "media")
_REMOTE = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._:@+-]+)+")
_VERSION = re.compile(r"[A-Za-z0-9_+@][A-Za-z0-9._+@-]{0,63}")


def local_root(text: str) -> str:
    """Return the folder with its symbolic links resolved, or raise HostRootRefused."""
    path = Path(text)
    if not path.is_absolute():
        raise HostRootRefused("root", reason="it is not absolute", reason_cn="不是绝对路径")
    try:
        found = path.resolve(strict=True)
    except (OSError, RuntimeError):  # the latter: a loop of links
        raise HostRootRefused("root", reason="it is not there", reason_cn="目录不存在") from None
    if not found.is_dir():
        raise HostRootRefused("root", reason="it is no folder", reason_cn="不是目录")
    data = env.DATA_DIR.resolve()
    if not any(found != allowed and found.is_relative_to(allowed) for allowed in (data, *env.LOCAL_ROOTS)):
        raise HostRootRefused(
            "root",
            reason="it lies neither below the data directory nor below one of SYSMGR_LOCAL_ROOTS",
            reason_cn="不在数据目录或 SYSMGR_LOCAL_ROOTS 之下",
        )
    if data.is_relative_to(found) or any(_overlap(found, data / name) for name in OWN_FOLDERS):
        raise HostRootRefused("root", reason="sysmgr keeps its own files there", reason_cn="sysmgr 在其中保存自身文件")
    if len(str(found)) > 255:
        raise HostRootRefused("root", reason="its path is too long", reason_cn="路径过长")
    return str(found)


def remote_root(path: str) -> str:
    """Return the folder of a host over SSH, which will stand in commands there, or raise HostRootRefused."""
    if not _REMOTE.fullmatch(path):
        text = "it must be absolute and hold only A-Z a-z 0-9 . _ : @ + - in its names"
        raise HostRootRefused("root", reason=text, reason_cn="必须是绝对路径，且各级名称只含 A-Z a-z 0-9 . _ : @ + -")
    return path


class Taken:
    """The folders of all local hosts, of any cluster: none is, holds or lies in that of another."""

    def __init__(self) -> None:
        """Read them. One query."""
        self._owners: dict[str, tuple[str, str]] = {}
        self._above: Counter[str] = Counter()
        rows = Host.objects.filter(transport=Host.Transport.LOCAL)
        for root, host_ip, cluster in rows.values_list("root", "host_ip", "cluster__name"):
            self.take(root, host_ip, cluster)

    def take(self, root: str, host_ip: str, cluster: str) -> None:
        """Note a host's folder."""
        self._owners[root] = (host_ip, cluster)
        self._above.update(_parents(root))

    def let_go(self, root: str) -> None:
        """Forget a folder: its host moves, or is looked at itself."""
        if self._owners.pop(root, None):
            self._above.subtract(_parents(root))

    def move(self, before: str, root: str, host_ip: str, cluster: str) -> None:
        """Give a host another folder (`before` is "" for a new host), or raise HostRootTaken and change nothing."""
        owner = self._owners.get(before)
        self.let_go(before)
        try:
            self._refuse(root)
        except HostRootTaken:
            if owner:
                self.take(before, *owner)
            raise
        self.take(root, host_ip, cluster)

    def _refuse(self, root: str) -> None:
        """Raise HostRootTaken when the folder is, holds or lies in one of these."""
        owner = next((self._owners[path] for path in [root, *_parents(root)] if path in self._owners), None)
        if owner is None and self._above[root] > 0:
            owner = next(who for path, who in self._owners.items() if root in _parents(path))
        if owner is not None:
            raise HostRootTaken("root", root=root, host=owner[0], cluster=owner[1])


def _parents(root: str) -> list[str]:
    return [str(path) for path in Path(root).parents]


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def running_version(root: str, service: str) -> str:
    """Return the release that `<service>/current` names, as the script on the host tells it; "" when it is no
    link to one: such a service was installed by somebody else."""
    folder = Path(root) / service
    try:
        target = os.readlink(folder / "current")  # noqa: PTH115 - the text of the link, not a normalised path
    except OSError:
        return ""
    version = target.removeprefix("releases/")
    release = folder / "releases" / version
    named = version != target and _VERSION.fullmatch(version)
    return version if named and release.is_dir() and not release.is_symlink() else ""
