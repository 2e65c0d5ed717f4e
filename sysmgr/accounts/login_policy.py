"""What another log-in policy means to those who are logged in: a shorter life of tokens binds the living ones too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import F, QuerySet
from django.utils import timezone

from settings_app import hooks
from settings_app.hooks import Effect, PolicyChange, Refusal
from sysmgr.errors import Problem

from .models import Token

_PATH = "login_policy.token_expire_second"
_NAMED = 10


def connect() -> None:
    """Take part in every change of the policy, once a process."""
    hooks.refusals.append(refusals)
    hooks.effects.append(effects)
    hooks.applied.append(shorten)


def refusals(change: PolicyChange) -> Iterator[Refusal]:
    """Yield whether the change would end the very log-in that makes it. Queries: one where it gets shorter."""
    if _shorter(change) and change.actor.token_uuid and _ended(change).filter(pk=change.actor.token_uuid).exists():
        english = "would end your own log-in at once: it is older than that"
        yield Refusal(Problem(_PATH, english, "将立即结束您当前的登录：其时长已超过该值"))


def effects(change: PolicyChange) -> Iterator[Effect]:
    """Yield whose log-ins end, and what the guard does from now on. Queries: one or two where they get shorter."""
    after = change.after.login
    if _shorter(change):
        ended = _ended(change)
        names = list(
            ended.order_by("user__user_name").values_list("user__user_name", flat=True).distinct()[: _NAMED + 1]
        )
        if names:
            said = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
            count = ended.count()
            yield Effect(f"{count} log-ins end at once, of {said}.", f"{count} 个登录将立即结束，用户：{said}。")
        yield Effect(
            f"All other log-ins end {after.token_expire_second} s after they began, at the latest.",
            f"其他登录最迟在开始后 {after.token_expire_second} 秒结束。",
        )
    elif after.token_expire_second > change.before.login.token_expire_second:
        yield Effect(
            f"From the next log-in on tokens live {after.token_expire_second} s; the living ones keep their end.",
            f"从下次登录起令牌有效 {after.token_expire_second} 秒；现有登录的到期时间不变。",
        )
    if change.before.login.login_fail_retry_times and not after.login_fail_retry_times:
        yield Effect("From now on failed log-ins lock nobody.", "从现在起登录失败不再锁定任何人。")


def shorten(change: PolicyChange) -> None:
    """Bring the ends of the living tokens forward, in the change's transaction: lengthening it revives nobody."""
    if _shorter(change):
        end = F("create_time") + timedelta(seconds=change.after.login.token_expire_second)
        Token.objects.filter(expire_time__gt=end).update(expire_time=end)


def _shorter(change: PolicyChange) -> bool:
    return change.after.login.token_expire_second < change.before.login.token_expire_second


def _ended(change: PolicyChange) -> QuerySet[Token]:
    now = timezone.now()
    born = now - timedelta(seconds=change.after.login.token_expire_second)
    return Token.objects.filter(expire_time__gt=now, create_time__lte=born)
