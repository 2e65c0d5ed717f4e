"""What asking for a second factor means to those who have none: nobody locks himself, or everybody, out."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import QuerySet

from settings_app import hooks
from settings_app.hooks import Effect, PolicyChange, Refusal
from sysmgr.audit.services import Actor
from sysmgr.errors import Problem

from . import factor_state as state
from .models import Role, User

_PATH = "multi_authentication_setting.enabled"


def refusals(change: PolicyChange) -> Iterator[Refusal]:
    """Refuse to ask for a second factor while no administrator has one, or while the author has none.

    Commands are let through: `manage.py` can always open the door again. Queries: two or three.
    """
    if not _begins(change) or change.actor.door == "command":
        return
    state.hold_administrators()
    if not state.administrators().exists():
        english, chinese = state.listed(_names(state.without().filter(role=Role.ADMINISTRATOR)))
        yield Refusal(
            Problem(
                _PATH,
                f"no administrator could log in any more; without a confirmed second factor: {english}",
                f"将没有管理员能够登录；尚无已确认第二因素的管理员：{chinese}",
            ),
            hard=True,
        )
        return
    author = _author(change.actor)
    if author is not None and state.confirmed(author) is None:
        english = f"you ({author.user_name}) have no confirmed second factor and could not log in again"
        yield Refusal(Problem(_PATH, english, f"您（{author.user_name}）没有已确认的第二因素，将无法再次登录"))


def effects(change: PolicyChange) -> Iterator[Effect]:
    """Say who could not log in any more, and that who is inside stays. Queries: none, one or two."""
    before, after = state.is_asked(change.before), state.is_asked(change.after)
    if before and not after:
        yield Effect("From the next log-in on no second factor is asked for.", "从下次登录起，不再要求第二因素。")
    if not _begins(change):
        return
    yield Effect(
        "From the next log-in on a second factor is asked for; sessions and keys for programs go on.",
        "从下次登录起要求第二因素；现有会话和程序密钥不受影响。",
    )
    names = _names(state.without())
    if names:
        english, chinese = state.listed(names)
        yield Effect(
            f"Who has no confirmed second factor can't log in until he enrols one by a one-time link: {english}.",
            f"以下用户没有已确认的第二因素，在通过一次性链接登记之前无法登录：{chinese}。",
        )
    if not change.after.login.login_fail_retry_times:
        yield Effect(
            "login_policy.login_fail_retry_times is 0: nothing stops whoever knows a password from trying codes.",
            "login_policy.login_fail_retry_times 为 0：知道密码的人可以无限次尝试验证码。",
        )


def connect() -> None:
    """Have changes of the policy put to these checks."""
    hooks.refusals.append(refusals)
    hooks.effects.append(effects)


def _begins(change: PolicyChange) -> bool:
    return state.is_asked(change.after) and not state.is_asked(change.before)


def _names(users: QuerySet[User]) -> list[str]:
    return list(users.values_list("user_name", flat=True))


def _author(actor: Actor) -> User | None:
    """Return who makes the change; a program's key acts for its owner, who would be shut out like anybody."""
    if actor.user_uuid is not None:
        return User.objects.filter(pk=actor.user_uuid).first()
    return User.objects.filter(user_name=actor.user_name).first() if actor.door in ("api", "admin") else None
