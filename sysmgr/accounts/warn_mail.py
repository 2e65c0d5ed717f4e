"""Mail to those whose password expires soon: once a day in the days of warning, by the leader."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from settings_app.mail.outbox import queue
from settings_app.mail.sender import ready
from settings_app.models import MailSetting, PasswordComplexityPolicy
from settings_app.policy import current_policy
from sysmgr import env

from . import password_state
from .local_time import day_of, in_zone
from .models import User

EVERY = 600.0  # seconds; a day ends at midnight in SYSMGR_TIME_ZONE


def warn(now: datetime | None = None) -> int:
    """Queue today's warnings; return how many. Safe to repeat, and for two at once."""
    now = now or timezone.now()
    policy = current_policy()
    if not policy.password.password_expired_warn_email_notify or policy.cluster_uuid is None:
        return 0
    setting = MailSetting.objects.select_related("cluster").get(cluster=policy.cluster_uuid)
    if not ready(setting):
        return 0
    return sum(_warn(user, policy.password, setting, now) for user in _due(policy.password, now))


def _due(policy: PasswordComplexityPolicy, now: datetime) -> QuerySet[User]:
    """Return whose password expires within the days of warning and who has not heard of it today."""
    age, warned = policy.password_max_expired_age, policy.password_expired_warn_age
    if not age or not warned:
        return User.objects.none()
    ages = {
        "password_change_time__lte": now - timedelta(days=age - warned),
        "password_change_time__gt": now - timedelta(days=age),
    }
    # Who set none yet has none that could expire.
    return _unwarned(day_of(now)).filter(**ages).exclude(email="").exclude(password__startswith="!")


def _unwarned(today: date) -> QuerySet[User]:
    return User.objects.filter(Q(warned_on=None) | Q(warned_on__lt=today), is_active=True)


@transaction.atomic
def _warn(user: User, policy: PasswordComplexityPolicy, setting: MailSetting, now: datetime) -> bool:
    """Note the warning and queue its mail, both or neither; of two leaders at once one does."""
    today = day_of(now)
    same = _unwarned(today).filter(pk=user.pk, password_change_time=user.password_change_time)
    if not same.update(warned_on=today):
        return False
    end, days = password_state.expiry(user, policy), password_state.days_left(user, policy, now)
    assert end is not None
    when, page = in_zone(end), f"{env.PUBLIC_URL}/admin/password_change/"
    after = "must be changed before anything else" if policy.password_expire_force_modify else "counts as expired"
    after_cn = "必须先修改才能进行其他操作" if policy.password_expire_force_modify else "将视为已过期"
    body = (
        f"The password of {user.user_name} expires within {days} day(s), on {when}; from then on it {after}.\n"
        f"Change it before, here or by POST /v1/authentication/password/change.\n\n"
        f"用户 {user.user_name} 的密码将在 {days} 天内（{when}）过期；之后{after_cn}。\n"
        f"请提前在此页面或通过 POST /v1/authentication/password/change 修改密码。\n\n"
        f"{page}\n"
    )
    queue(setting.cluster, [user.email], "sysmgr: your password expires soon / 您的密码即将过期", body)
    return True
