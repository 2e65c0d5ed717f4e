"""The events of accounts: who did what to whom, told the same way whichever door it came through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sysmgr.audit.services import Actor
from sysmgr.events.models import Event
from sysmgr.events.services import emit

from .models import User

_TEXTS = {
    "created": ("made the user {name} ({role})", "创建了用户 {name}（{role_cn}）"),
    "removed": ("removed the user {name}", "移除了用户 {name}"),
    "role_changed": ("made {name} {role}", "将 {name} 的角色改为{role_cn}"),
    "disabled": ("switched {name} off", "停用了 {name}"),
    "enabled": ("switched {name} on again", "重新启用了 {name}"),
    "password_reset": ("reset the password of {name}", "重置了 {name} 的密码"),
    "second_factor_reset": ("removed the second factor of {name}", "移除了 {name} 的第二因素"),
}
_ROLES = {"administrator": "管理员", "operator": "操作员", "auditor": "审计员"}
_KINDS = {"role": "role_changed", "password": "password_reset", "password_link": "password_reset"}


def announce(what: str, user: User, actor: Actor) -> None:
    """Tell of one thing that was done to a user; call it in the transaction that does it."""
    english, chinese = _TEXTS[what]
    told = {"name": user.user_name, "role": str(user.role), "role_cn": _ROLES[user.role]}
    severity = Event.Severity.INFO if what == "created" else Event.Severity.WARNING
    who = actor.user_name
    emit(
        f"account.{what}",
        user.pk,
        f"{who} {english.format(**told)}",
        f"{who} {chinese.format(**told)}",
        severity=severity,
        user_name=user.user_name,
        door=actor.door,
    )


def announce_update(user: User, changes: Iterable[Mapping[str, Any]], actor: Actor) -> None:
    """Tell what of an update others should know; an address or a flag is nobody else's business."""
    paths = {change["path"] for change in changes}
    kinds = {_KINDS[path] for path in paths if path in _KINDS}
    if "enabled" in paths:
        kinds.add("enabled" if user.is_active else "disabled")
    for kind in sorted(kinds):
        announce(kind, user, actor)
