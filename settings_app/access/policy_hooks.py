"""What a change of access control means: whether it refuses its author, and whom else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone

from settings_app.hooks import Effect, PolicyChange, Refusal
from settings_app.models import AccessControlPolicy
from settings_app.policy import Policy
from sysmgr.accounts.models import Token
from sysmgr.errors import Problem

_NAMED = 10
_AT_THE_MACHINE = frozenset(("command", "system"))  # there is no gate
LATEST = 253370764800  # the year 9999: of a later moment nobody can say what comes next
_LOOKED_AT = 1000  # sources; who needs more of them named has other worries


def refusals(change: PolicyChange) -> Iterator[Refusal]:
    """Yield whether the change would refuse the address of its author, or this very moment. No query."""
    source = change.actor.source
    if not source and change.actor.door in _AT_THE_MACHINE:
        return
    rule = change.after.rules.refusal(source, timezone.now())
    if rule is not None:
        path = ".".join(rule.split(" ")[0].split(".")[:2])
        source = source or "an unknown address"
        english = f"would refuse {source}, from where this change is made: {rule}"
        yield Refusal(Problem(path, english, f"将拒绝发起此更改的地址 {source}：{rule}"))


def effects(change: PolicyChange) -> Iterator[Effect]:
    """Yield who may come in from now on, and which of those who are logged in may not. Queries: none or one."""
    before, after, now = change.before.access, change.after.access, timezone.now()
    by_address = _by_address(before) != _by_address(after)
    by_time = _in_force(before) != _in_force(after)
    if by_address:
        yield _who(after)
    if by_time:
        yield from _when(change.after, now)
    if by_address or by_time:
        yield from _shut_out(change.after, now)


def _by_address(access: AccessControlPolicy) -> tuple[object, ...]:
    return (True, access.ip_whitelist, access.ip_ranges) if access.ip_enabled else (False,)


def _in_force(access: AccessControlPolicy) -> dict[str, Any] | None:
    """Return the time windows that bind, None for none."""
    return access.time_policy if access.time_policy and access.time_policy["enabled"] else None


def _who(access: AccessControlPolicy) -> Effect:
    count = len(access.ip_ranges)
    if not access.ip_enabled:
        return Effect("From now on no address is refused.", "从现在起不再按地址拒绝访问。")
    if access.ip_whitelist and not count:
        return Effect("From now on no address may come in at all.", "从现在起任何地址都无法访问。")
    if access.ip_whitelist:
        english = f"From now on only addresses in {count} ranges may come in."
        return Effect(english, f"从现在起只有 {count} 个范围内的地址可以访问。")
    english = f"From now on addresses in {count} ranges may not come in."
    return Effect(english, f"从现在起 {count} 个范围内的地址不能访问。")


def _when(policy: Policy, now: datetime) -> Iterator[Effect]:
    times = _in_force(policy.access)
    if times is None:
        yield Effect("From now on nobody is refused because of the time.", "从现在起不再按时间拒绝访问。")
        return
    count, zone = len(times["windows"]), times["time_zone"]
    if times["whitelist"]:
        english = f"From now on the doors are open within {count} weekly windows only ({zone})."
        yield Effect(english, f"从现在起仅在每周 {count} 个时间窗口内允许访问（{zone}）。")
    else:
        english = f"From now on the doors are closed within {count} weekly windows ({zone})."
        yield Effect(english, f"从现在起在每周 {count} 个时间窗口内禁止访问（{zone}）。")
    open_now, until = policy.rules.time(now)
    if until is None and not open_now:
        yield Effect("They are closed for good.", "访问将一直被禁止。")
    if until is not None:
        said = until.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")
        if open_now:
            yield Effect(
                f"They are open now and close at {said} ({zone}).", f"现在允许访问，将于 {said}（{zone}）关闭。"
            )
        else:
            yield Effect(
                f"They are closed now and open at {said} ({zone}).", f"现在禁止访问，将于 {said}（{zone}）开放。"
            )


def _shut_out(policy: Policy, now: datetime) -> Iterator[Effect]:
    """Yield from how many addresses somebody is logged in who can't go on. Queries: one."""
    sources = Token.objects.filter(expire_time__gt=now).order_by("source").values_list("source", flat=True).distinct()
    refused = [source for source in sources[:_LOOKED_AT] if not policy.rules.allows(source, now)]
    if refused:
        named = ", ".join(refused[:_NAMED]) + (", …" if len(refused) > _NAMED else "")
        yield Effect(
            f"{len(refused)} addresses from which somebody is logged in are refused from now on: {named}.",
            f"当前有登录的 {len(refused)} 个地址将立即被拒绝：{named}。",
        )


def instant(epoch: int) -> datetime:
    """Return the moment of epoch seconds."""
    return datetime.fromtimestamp(epoch, UTC)
