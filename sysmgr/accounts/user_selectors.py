"""The reads of users: what the API and the commands show of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from settings_app.policy import Policy
from sysmgr.api.paging import Page

from . import guard, password_state
from .models import SecondFactor, User
from .users import Account


def shown(user: User) -> dict[str, Any]:
    """Return a user as contract §5 shows him."""
    return {
        "user_uuid": str(user.pk),
        "user_name": user.user_name,
        "role": str(user.role),
        "email": user.email,
        "enabled": user.is_active,
        "create_time": int(user.create_time.timestamp()),
    }


def told(account: Account) -> dict[str, Any]:
    """Return a user who was made or changed, and how he comes in where somebody must hand that over."""
    found = shown(account.user)
    if account.link is not None:
        found["password_link"] = account.link
    if account.file is not None:
        found["password_file"] = str(account.file)
    return found


def user_list(page: Page, policy: Policy, now: datetime) -> dict[str, Any]:
    """Return a page of the users, by name. Queries: count · page with second factors · locks."""
    found = page.cut(_rows().filter(user_name__icontains=page.name), lambda user: _state(user, policy, now))
    return {**found, "list": _with_locks(found["list"], policy, now)}


def all_users(policy: Policy, now: datetime) -> list[dict[str, Any]]:
    """Return all users with their state. Queries: users · locks."""
    return _with_locks([_state(user, policy, now) for user in _rows()], policy, now)


def _rows() -> QuerySet[User, Any]:
    confirmed = SecondFactor.objects.filter(user=OuterRef("pk"), confirmed_time__isnull=False)
    return User.objects.annotate(has_factor=Exists(confirmed)).order_by("user_name")


def _state(user: Any, policy: Policy, now: datetime) -> dict[str, Any]:
    return {
        **shown(user),
        "last_login": int(user.last_login.timestamp()) if user.last_login else None,
        "must_change_password": password_state.must_change(user, policy.password, now),
        "second_factor": user.has_factor,
        "legacy": bool(user.legacy_password),
    }


def _with_locks(users: Iterable[dict[str, Any]], policy: Policy, now: datetime) -> list[dict[str, Any]]:
    users = list(users)
    names = [user["user_name"] for user in users]
    locks = guard.locked_names(policy.login, now).filter(user_name__in=names)
    locked = set(locks.values_list("user_name", flat=True))
    return [{**user, "locked": user["user_name"] in locked} for user in users]
