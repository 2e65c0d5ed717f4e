"""Who has a second factor, and who could not log in while one is asked for."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from settings_app.policy import Policy, current_policy
from sysmgr.audit.services import Actor

from .factor_errors import LastWhoPasses
from .models import RecoveryCode, Role, SecondFactor, User

_NAMED = 10


def is_asked(policy: Policy) -> bool:
    """Tell whether a log-in needs a second factor."""
    return policy.factor.enabled and policy.factor.authentication_type == "totp"


def confirmed(user: User) -> SecondFactor | None:
    """Return the user's second factor; one that was never confirmed is none. Queries: one."""
    return SecondFactor.objects.filter(user=user, confirmed_time__isnull=False).first()


def codes_left(user: User) -> int:
    """Return how many recovery codes the user has left. Queries: one."""
    return RecoveryCode.objects.filter(user=user, used_time=None).count()


def without() -> QuerySet[User]:
    """Return the enabled users who have no confirmed second factor, by name."""
    passing = SecondFactor.objects.filter(confirmed_time__isnull=False).values("user")
    return User.objects.filter(is_active=True).exclude(pk__in=passing).order_by("user_name")


def administrators() -> QuerySet[User]:
    """Return the enabled administrators who have a confirmed second factor."""
    return User.objects.filter(role=Role.ADMINISTRATOR, is_active=True, factor__confirmed_time__isnull=False)


def hold_administrators() -> None:
    """Lock the administrators' rows to the end of the transaction, in the one order in which others lock them too.

    Asking for a second factor and removing the last one that passes both hold them, so the later sees the earlier.
    """
    leaders = User.objects.filter(role=Role.ADMINISTRATOR, is_active=True).order_by("pk")
    list(leaders.select_for_update(no_key=True))


def keep_a_way_in(user: User, actor: Actor) -> None:
    """Raise LastWhoPasses where no administrator could log in without this user's second factor.

    Call it in the transaction that takes the factor, the role or the user away. Commands are let through: they are
    the way back.
    """
    if actor.door == "command" or not (user.is_superuser and user.is_active):
        return
    hold_administrators()
    passing = set(administrators().values_list("pk", flat=True))
    if passing == {user.pk} and is_asked(current_policy()):
        raise LastWhoPasses(name=user.user_name)


def listed(names: Iterable[str]) -> tuple[str, str]:
    """Return names as a sentence has them, in both languages; what is too long is cut, with a count."""
    told = list(names)
    more = len(told) - _NAMED
    english, chinese = ", ".join(told[:_NAMED]), "、".join(told[:_NAMED])
    return (f"{english} and {more} more", f"{chinese} 等 {len(told)} 人") if more > 0 else (english, chinese)
