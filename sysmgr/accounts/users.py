"""What an administrator does to accounts: made, changed, removed; at every door with the same trace and events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from settings_app.policy import current_policy
from sysmgr.api.fields import invalid_model
from sysmgr.api.strict_json import check_text, printable
from sysmgr.audit.services import Actor, record
from sysmgr.errors import UserExists

from . import factor_state, hashing, links, password_rules
from .account_events import announce, announce_update
from .models import PasswordLink, Role, Token, User
from .passwords import Hashed, check_password, forget_first_password, held, keep_first_password, store
from .user_errors import LastAdministrator, UserNotFound

# Column → its documented name.
_KEYS = {"role": "role", "email": "email", "is_active": "enabled", "must_change_password": "must_change_password"}
Changes = list[dict[str, Any]]


@dataclass(frozen=True)
class Account:
    """A user, and how he comes in where no password was given: by a link that was not mailed, or a file."""

    user: User
    link: str | None = field(default=None, repr=False)
    file: Path | None = None


@dataclass(frozen=True)
class NewPassword:
    """Where a user's password comes from: given, made up (`generate`), or set by himself through a link."""

    given: str | None = field(default=None, repr=False)
    generate: bool = False

    @property
    def by_link(self) -> bool:
        """Whether the user sets it himself."""
        return self.given is None and not self.generate

    def hashed(self, user: User) -> Hashed:
        """Check and hash it. Raises InvalidInput or HashQueueFull."""
        if self.by_link:
            return Hashed.of(None)
        with hashing.place():
            if self.given is not None:
                check_password(self.given, user)
            return Hashed.of(self.given if self.given is not None else password_rules.make_up())


LINK = NewPassword()
MADE_UP = NewPassword(generate=True)


def create_user(
    user_name: str,
    role: str,
    actor: Actor,
    *,
    email: str = "",
    enabled: bool = True,
    password: NewPassword = LINK,
    must_change: bool = False,
) -> Account:
    """Make a user. Raises InvalidInput or UserExists."""
    check_text(user_name, "user_name")
    user = User(user_name=user_name, email=email, role=role, is_active=enabled, must_change_password=must_change)
    hashed = password.hashed(user)
    user.password, user.legacy_password = hashed.encoded, hashed.legacy
    with transaction.atomic():
        _insert(user)
        link = links.hand_over(user, current_policy()) if password.by_link else None
        file = keep_first_password(user, hashed.clear) if password.generate and hashed.clear else None
        announce("created", user, actor)
        changes: Changes = [{"path": "role", "from": None, "to": role}]
        if password.by_link:
            changes.append({"path": "password_link", "from": None, "to": "shown" if link else "mailed"})
        record(actor, "user.create", f"user {user.user_name}", changes=changes)
    return Account(user, link, file)


def _insert(user: User) -> None:
    taken = UserExists("user_name", name=printable(user.user_name))
    if User.objects.filter(user_name=user.user_name).exists():
        raise taken
    try:
        with transaction.atomic():
            user.full_clean()
            user.save(force_insert=True)
    except ValidationError as error:
        if any(found.code == "unique" for found in error.error_dict.get("user_name", [])):  # two at once
            raise taken from None
        raise invalid_model(error, "") from None
    except IntegrityError:  # two at once
        raise taken from None


def update_user(
    user_uuid: UUID,
    values: Mapping[str, Any],
    actor: Actor,
    *,
    password: NewPassword | None = None,
) -> Account:
    """Change role, address, whether the user may come in or must change his password; equal values change nothing.

    `password` sets one, which its owner must change unless `values` say otherwise, or hands out a one-time link. Who is
    switched off loses tokens and links. Raises UserNotFound, InvalidInput, or LastAdministrator and LastWhoPasses when
    no administrator would be left who can come in.
    """
    hashed = None
    if password is not None and not password.by_link:
        hashed = password.hashed(User.objects.filter(pk=user_uuid).first() or User())
        values = {"must_change_password": actor.user_uuid != user_uuid, **values}
    with transaction.atomic():
        others = _other_administrators(user_uuid)
        user = held(user_uuid)
        changes = _apply(user, values, others, actor)
        account = _set_password(user, password, hashed, actor)
        if hashed is not None:
            changes.append({"path": "password", "from": None, "to": "changed"})
        elif password is not None:
            changes.append({"path": "password_link", "from": None, "to": "shown" if account.link else "mailed"})
        if changes:
            announce_update(user, changes, actor)
            record(actor, "user.update", f"user {user.user_name}", changes=changes)
    return account


def _other_administrators(user_uuid: UUID) -> list[User]:
    """Return who else could manage the system, locked in one order: of two who depose each other, the second sees
    what the first did."""
    leaders = User.objects.filter(role=Role.ADMINISTRATOR, is_active=True).order_by("pk")
    return [leader for leader in leaders.select_for_update(no_key=True) if leader.pk != user_uuid]


def _apply(user: User, values: Mapping[str, Any], others: list[User], actor: Actor) -> Changes:
    """Store what differs, and return it by its documented names."""
    changed = {key: values[key] for key in _KEYS if key in values and values[key] != getattr(user, key)}
    if not changed:
        return []
    before = {key: getattr(user, key) for key in changed}
    led = user.is_superuser and user.is_active
    leads = changed.get("role", user.role) == Role.ADMINISTRATOR and changed.get("is_active", user.is_active)
    if led and not leads:
        _keep_one(user, others, actor)
    for key, value in changed.items():
        setattr(user, key, value)
    try:
        user.full_clean(exclude=["password"])
    except ValidationError as error:
        raise invalid_model(error, "", _KEYS) from None
    user.save(update_fields=list(changed))
    if not user.is_active:
        Token.objects.filter(user=user).delete()
        PasswordLink.objects.filter(user=user, used_time=None).delete()
    return [{"path": _KEYS[key], "from": before[key], "to": value} for key, value in changed.items()]


def _keep_one(user: User, others: list[User], actor: Actor) -> None:
    """Raise LastAdministrator or LastWhoPasses unless somebody else could manage the system."""
    if not others:
        raise LastAdministrator("user_name")
    factor_state.keep_a_way_in(user, actor)


def _set_password(user: User, password: NewPassword | None, hashed: Hashed | None, actor: Actor) -> Account:
    if password is None:
        return Account(user)
    if hashed is None:
        return Account(user, link=links.hand_over(user, current_policy()))
    keep = actor.token_uuid if actor.user_uuid == user.pk else None
    store(user, hashed, must_change=user.must_change_password, keep=keep)
    file = keep_first_password(user, hashed.clear) if password.generate and hashed.clear else None
    return Account(user, file=file)


@transaction.atomic
def remove_user(user_uuid: UUID, actor: Actor) -> None:
    """Remove a user with his tokens, keys, links and uploads; audit, revisions and events keep his name.

    Raises UserNotFound, LastAdministrator or LastWhoPasses.
    """
    others = _other_administrators(user_uuid)
    user = held(user_uuid)
    if user.is_superuser and user.is_active:
        _keep_one(user, others, actor)
    announce("removed", user, actor)
    # Before the row goes, unlike elsewhere: who refers to it at his commit has the audit's lock by then.
    record(actor, "user.remove", f"user {user.user_name}")
    forget_first_password(user)
    user.delete()


def find_user(user_uuid: UUID | None = None, user_name: str | None = None) -> User:
    """Return the user with this key, or with this name; raise UserNotFound also where both name two. Queries: one."""
    given = {"pk": user_uuid, "user_name": user_name}
    wanted = {key: value for key, value in given.items() if value is not None}
    user = User.objects.filter(**wanted).first() if wanted else None
    if user is None:
        raise UserNotFound("user_uuid" if user_uuid is not None else "user_name")
    return user
