"""Keys for programs: made, listed, removed. The key itself is shown once; only its digest is kept."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from settings_app.validators import MAX_RANGES, parse_ip_range
from sysmgr.api.credentials import KEY_PREFIX
from sysmgr.api.paging import Page
from sysmgr.api.strict_json import check_text
from sysmgr.audit.refusals import refuse
from sysmgr.audit.services import Actor, record
from sysmgr.errors import InvalidInput, Problem
from sysmgr.events.services import emit

from . import tokens
from .key_errors import KeyNotFound, TooManyKeys
from .models import ApiKey, Role, User
from .passwords import held

MOST = 20


@dataclass(frozen=True)
class Wanted:
    """What a key shall be. Without a role it has its owner's; without an end it lives until it is removed."""

    name: str = ""
    role: str = ""
    expire_time: int | None = None  # epoch seconds
    ranges: Sequence[str] = field(default_factory=tuple)


def create_key(user_uuid: UUID, wanted: Wanted, actor: Actor, *, legacy: bool = False) -> tuple[str, ApiKey]:
    """Make a key; its clear text is returned once. Raises TooManyKeys (20 a user), UserNotFound or InvalidInput.

    An old client's key takes the place of that user's oldest such key (contract §3).
    """
    try:
        return _create(user_uuid, wanted, actor, legacy)
    except (TooManyKeys, InvalidInput) as error:
        refuse(actor, "key.create", f"a key: {error.name()}")
        raise


@transaction.atomic
def _create(user_uuid: UUID, wanted: Wanted, actor: Actor, legacy: bool) -> tuple[str, ApiKey]:
    user = held(user_uuid)  # one at a time: the count is exact
    end = _checked(wanted, user)
    if ApiKey.objects.filter(user=user).count() >= MOST:
        oldest = ApiKey.objects.filter(user=user, legacy=True).order_by("create_time").first() if legacy else None
        if oldest is None:
            raise TooManyKeys(most=MOST)
        oldest.delete()
        record(actor, "key.remove", f"key {oldest.pk} of {user.user_name}")
    clear = KEY_PREFIX + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        user=user,
        name=wanted.name,
        digest=tokens.digest(clear),
        role=wanted.role or user.role,
        ranges=list(wanted.ranges),
        create_time=timezone.now(),
        expire_time=end,
        legacy=legacy,
    )
    _tell("made", "创建", key, user, actor)
    changes = [{"path": name, "from": None, "to": value} for name, value in facts(key).items() if name != "create_time"]
    record(actor, "key.create", f"key {key.pk} of {user.user_name}", changes=changes)
    return clear, key


def remove_key(key_uuid: UUID, owner: UUID | None, actor: Actor) -> None:
    """Remove a key, of `owner` only unless that is None. Raises KeyNotFound."""
    try:
        _remove(key_uuid, owner, actor)
    except KeyNotFound:
        refuse(actor, "key.remove", "a key that is not there, or not one's own")
        raise


@transaction.atomic
def _remove(key_uuid: UUID, owner: UUID | None, actor: Actor) -> None:
    rows = ApiKey.objects.filter(pk=key_uuid).select_related("user")
    key = (rows if owner is None else rows.filter(user=owner)).first()
    if key is None or not ApiKey.objects.filter(pk=key.pk).delete()[0]:
        raise KeyNotFound("key_uuid")
    _tell("removed", "移除", key, key.user, actor)
    record(actor, "key.remove", f"key {key_uuid} of {key.user.user_name}")


def key_list(user_uuid: UUID | None, page: Page) -> dict[str, Any]:
    """Return keys, of one user or of all, never what they are. Queries: count, page."""
    rows = ApiKey.objects.select_related("user").order_by("-create_time", "pk")
    if user_uuid is not None:
        rows = rows.filter(user=user_uuid)
    if page.name:
        rows = rows.filter(name__icontains=page.name)
    return page.cut(rows, facts)


def facts(key: ApiKey) -> dict[str, Any]:
    """Return a key as the API shows it."""
    return {
        "key_uuid": str(key.pk),
        "user_name": key.user.user_name,
        "name": key.name,
        "role": str(key.role),
        "ranges": key.ranges,
        "create_time": int(key.create_time.timestamp()),
        "expire_time": int(key.expire_time.timestamp()) if key.expire_time else None,
        "last_used_time": int(key.last_used_time.timestamp()) if key.last_used_time else None,
        "legacy": key.legacy,
    }


def _checked(wanted: Wanted, user: User) -> datetime | None:
    """Return the end of the key's time, or raise InvalidInput with everything that is wrong."""
    problems = []
    check_text(wanted.name, "name")
    if len(wanted.name) > 64:
        problems.append(Problem("name", "has more than 64 characters", "超过 64 个字符"))
    if wanted.role and wanted.role not in Role.values:
        problems.append(Problem("role", "is no role", "不是有效的角色"))
    elif wanted.role and wanted.role != user.role and not user.is_superuser:
        problems.append(Problem("role", "must be your own: it can't allow more", "必须是您自己的角色，不能超出其权限"))
    end = None
    if wanted.expire_time is not None:
        try:
            end = datetime.fromtimestamp(wanted.expire_time, UTC)
        except (ValueError, OverflowError, OSError):
            problems.append(Problem("expire_time", "is no time", "不是有效的时间"))
        if end is not None and end <= timezone.now():
            problems.append(Problem("expire_time", "must be in the future", "必须是将来的时间"))
    if len(wanted.ranges) > MAX_RANGES:
        problems.append(Problem("ranges", f"has more than {MAX_RANGES} items", f"超过 {MAX_RANGES} 项"))
    for place, text in enumerate(wanted.ranges):
        try:
            parse_ip_range(text)
        except ValueError:
            english = "must be an address, a CIDR or a range a-b"
            problems.append(Problem(f"ranges[{place}]", english, "必须是地址、CIDR 或 a-b 范围"))
    if problems:
        raise InvalidInput(problems)
    return end


def _tell(did: str, did_cn: str, key: ApiKey, user: User, actor: Actor) -> None:
    name = f" {key.name}" if key.name else ""
    emit(
        f"account.key_{'created' if did == 'made' else 'removed'}",
        key.pk,
        f"{actor.user_name} {did} the key{name} of {user.user_name}",
        f"{actor.user_name} {did_cn}了 {user.user_name} 的密钥{name}",
        user_name=user.user_name,
        door=actor.door,
    )
