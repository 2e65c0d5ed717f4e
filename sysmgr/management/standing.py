"""Alerts about the installation itself that stand for as long as their cause does."""

from __future__ import annotations

import shutil

from sysmgr import env
from sysmgr.events.alerts import Trouble, reconcile
from sysmgr.management.health import LEAST_FREE

_DISK, _REVEAL = "installation.disk", "installation.reveal_secrets"


def show() -> None:
    """Open or close the alerts about the data directory's disk and about secrets shown in clear."""
    troubles: dict[str, Trouble] = {}
    free = shutil.disk_usage(env.DATA_DIR).free
    if free < LEAST_FREE:
        troubles[_DISK] = Trouble(
            f"Only {free // 2**20} MiB are free on the disk of the data directory. Make room: packages, backups and "
            "the database need it.",
            f"数据目录所在磁盘仅剩 {free // 2**20} MiB。请清理空间：升级包、备份和数据库都需要空间。",
        )
    if env.REVEAL_SECRETS:
        troubles[_REVEAL] = Trouble(
            "SYSMGR_REVEAL_SECRETS is on: administrators are shown stored passwords in clear. Unset it as soon as no "
            "client needs it.",
            "SYSMGR_REVEAL_SECRETS 已开启：管理员可看到明文密码。不再需要时请立即关闭。",
        )
    reconcile("installation.", troubles)
