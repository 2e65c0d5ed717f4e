"""Changing users: what an administrator does to somebody's account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from sysmgr.api.fields import invalid_model
from sysmgr.audit.services import Actor, record
from sysmgr.errors import InvalidInput, Problem

from .models import Role, Token, User

_KEYS = ("role", "email", "is_active")


@transaction.atomic
def update_user(user_uuid: UUID, values: Mapping[str, Any], actor: Actor) -> User:
    """Change role, address or whether the user may come in; equal values change nothing.

    Who is switched off loses his tokens. Raises InvalidInput, also when no administrator would be left who can come in.
    """
    # Locked in one order: of two who take each other's role away, the second sees what the first did.
    leaders = User.objects.select_for_update().filter(role=Role.ADMINISTRATOR, is_active=True).order_by("pk")
    others = [leader for leader in leaders if leader.pk != user_uuid]
    user = User.objects.select_for_update().get(pk=user_uuid)
    changed = {key: values[key] for key in _KEYS if key in values and values[key] != getattr(user, key)}
    if not changed:
        return user
    before = {key: getattr(user, key) for key in changed}
    was_leader = user.is_superuser and user.is_active
    for key, value in changed.items():
        setattr(user, key, value)
    if was_leader and not others and not (user.is_superuser and user.is_active):
        place = "role" if "role" in changed else "is_active"
        english = "is the last administrator's: somebody must be able to come in and manage the system"
        raise InvalidInput([Problem(place, english, "这是最后一位可登录的管理员，不能更改")])
    try:
        user.full_clean(exclude=["password"])
    except ValidationError as error:
        raise invalid_model(error, "") from None
    user.save(update_fields=list(changed))
    if not user.is_active:
        Token.objects.filter(user=user).delete()
    changes = [{"path": key, "from": before[key], "to": value} for key, value in changed.items()]
    record(actor, "user.update", f"user {user.user_name}", changes=changes)
    return user
