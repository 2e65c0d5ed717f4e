"""What a change of the password rules means to people: who must change his password, and when he notices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from settings_app import hooks
from settings_app.hooks import Effect, PolicyChange, Refusal
from settings_app.models import PasswordComplexityPolicy
from sysmgr.errors import Problem

from . import password_state
from .factor_state import listed
from .models import User

_SECTION = "password_complexity_policy"


def refusals(change: PolicyChange) -> Iterator[Refusal]:
    """Refuse what would leave its author nothing but to change his own password, at once. Queries: one, or none."""
    before, after, now = change.before.password, change.after.password, timezone.now()
    if change.actor.user_uuid is None or not after.password_expire_force_modify:
        return
    author = User.objects.filter(pk=change.actor.user_uuid).first()
    if author is None or password_state.must_change(author, before, now):
        return
    if password_state.must_change(author, after, now):
        aged = before.password_max_expired_age != after.password_max_expired_age
        key = "password_max_expired_age" if aged else "password_expire_force_modify"
        english = f"your own password is older than {after.password_max_expired_age} days: change it first"
        chinese = f"您自己的密码已超过 {after.password_max_expired_age} 天：请先修改密码"
        yield Refusal(Problem(f"{_SECTION}.{key}", english, chinese))


def effects(change: PolicyChange) -> Iterator[Effect]:
    """Say who must change his password, and when. Queries: one where the age or the force changed."""
    before, after = change.before.password, change.after.password
    yield from _ages(before, after)
    yield from _rules(before, after)
    yield from _notices(before, after)
    if before.notify_user_password_when_create != after.notify_user_password_when_create:
        if after.notify_user_password_when_create:
            yield Effect(
                "New users with an address get a one-time link by mail, while mail is on.",
                "邮件启用时，有邮箱地址的新用户将通过邮件收到一次性链接。",
            )
        else:
            yield Effect(
                "The one-time link of a new user is shown once to whoever makes the user.",
                "新用户的一次性链接仅向创建者显示一次。",
            )


def _ages(before: PasswordComplexityPolicy, after: PasswordComplexityPolicy) -> Iterator[Effect]:
    """Say whose password is expired under the new age and was not restricted by the old one."""
    keys = ("password_max_expired_age", "password_expire_force_modify")
    if all(getattr(before, key) == getattr(after, key) for key in keys):
        return
    now = timezone.now()
    restricted, forced = after.password_expire_force_modify, before.password_expire_force_modify
    rows = _expired(after, now)
    if restricted and forced:
        rows = rows.exclude(pk__in=_expired(before, now).values("pk"))
    names = list(rows.order_by("user_name").values_list("user_name", flat=True))
    if names:
        english, chinese = listed(names)
        if restricted:
            yield Effect(
                f"Expired, and to be changed at once before anything else ({len(names)}): {english}.",
                f"密码已过期，必须立即修改才能进行其他操作（{len(names)} 人）：{chinese}。",
            )
        else:
            yield Effect(
                f"Expired; a notice at each log-in says so ({len(names)}): {english}.",
                f"密码已过期，每次登录时都会提示（{len(names)} 人）：{chinese}。",
            )
    if not forced:
        return
    freed = _expired(before, now)
    if restricted:
        freed = freed.exclude(pk__in=_expired(after, now).values("pk"))
    if freed.exists():
        yield Effect(
            "Who was kept back only by an expired password goes on at once.", "仅因密码过期而受限的用户立即恢复。"
        )


def _expired(policy: PasswordComplexityPolicy, now: datetime) -> QuerySet[User]:
    """Return the enabled users whose password a policy calls expired, those left out who set none yet."""
    rows = User.objects.filter(is_active=True, must_change_password=False).exclude(password__startswith="!")
    days = policy.password_max_expired_age
    return rows.filter(password_change_time__lte=now - timedelta(days=days)) if days else rows.none()


def _rules(before: PasswordComplexityPolicy, after: PasswordComplexityPolicy) -> Iterator[Effect]:
    longer = after.password_minimum_length > before.password_minimum_length
    special = after.password_must_include_special_char and not before.password_must_include_special_char
    if longer or special:
        yield Effect(
            "Each user whose password does not meet the rules must change it at the next log-in; sessions go on.",
            "密码不符合规则的用户须在下次登录时修改密码；现有会话不受影响。",
        )
    keys = ("password_minimum_length", "password_must_include_special_char")
    if any(getattr(before, key) != getattr(after, key) for key in keys):
        yield Effect("New passwords keep the new rules from now on.", "新设置的密码从现在起须符合新规则。")


def _notices(before: PasswordComplexityPolicy, after: PasswordComplexityPolicy) -> Iterator[Effect]:
    keys = ("password_max_expired_age", "password_expired_warn_age")
    popup, mail = "password_expired_warn_windows_popup", "password_expired_warn_email_notify"
    age, warned = (getattr(after, key) for key in keys)
    for key, english, chinese in (
        (popup, "a notice at log-in", "登录提示"),
        (mail, "a mail once a day, while mail is on", "每日一封邮件（邮件启用时）"),
    ):
        if all(getattr(before, name) == getattr(after, name) for name in (*keys, key)):
            continue
        if getattr(after, key) and age and warned:
            yield Effect(
                f"{warned} day(s) before a password expires its owner gets {english}.",
                f"密码过期前 {warned} 天起，用户将收到{chinese}。",
            )
        elif getattr(after, key):
            yield Effect(
                f"{_SECTION}.{key}: nobody is warned while an age or the days of warning are 0.",
                f"{_SECTION}.{key}：有效期或提前警告天数为 0 时不会发出警告。",
            )


def connect() -> None:
    """Take part when the policy changes, once a process."""
    hooks.refusals.append(refusals)
    hooks.effects.append(effects)
