"""Alerts about the installation itself that stand for as long as their cause does."""

from __future__ import annotations

import shutil

from settings_app.policy import current_policy
from sysmgr import env
from sysmgr.accounts import factor_state
from sysmgr.audit import triggers
from sysmgr.events.alerts import Trouble, reconcile
from sysmgr.management.health import LEAST_FREE

_DISK, _REVEAL = "installation.disk", "installation.reveal_secrets"
_AUDIT, _LEGACY = "installation.audit_triggers", "installation.legacy_login"
_NOBODY = "installation.second_factor"


def show() -> None:
    """Open or close the alerts about the disk, about secrets shown in clear and about nobody being able to log in."""
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
    if factor_state.is_asked(current_policy()) and not factor_state.administrators().exists():
        troubles[_NOBODY] = Trouble(
            "A second factor is asked for and no administrator has one: none of them can log in. Make a one-time link "
            "with manage.py reset_password, or switch it off with manage.py settings_set.",
            "系统要求第二因素，但没有管理员登记过：管理员均无法登录。请用 manage.py reset_password 生成一次性链接，"
            "或用 manage.py settings_set 关闭该要求。",
        )
    if env.LEGACY_LOGIN:
        troubles[_LEGACY] = Trouble(
            "SYSMGR_LEGACY_LOGIN is on: whoever has the MD5 of a password can log in with it. Unset it as soon as no "
            "client needs it.",
            "SYSMGR_LEGACY_LOGIN 已开启：持有密码 MD5 的人即可登录。不再需要时请立即关闭。",
        )
    if missing := triggers.missing():
        names = ", ".join(missing)
        troubles[_AUDIT] = Trouble(
            f"Audit rows can be changed: the database lacks {names}. Restart the service, which puts them back, and "
            "run `manage.py audit_verify`.",
            f"审计记录可被更改：数据库缺少 {names}。请重启服务以恢复，并运行 `manage.py audit_verify`。",
            severity="error",
        )
    reconcile("installation.", troubles)
