"""One-time links, by which a user sets a password that nobody else has seen: made, looked at, used once."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from urllib.parse import quote

from django.core import signing
from django.db import transaction
from django.utils import timezone

from settings_app.mail.outbox import send
from settings_app.mail.sender import ready
from settings_app.models import MailSetting
from settings_app.policy import Policy
from sysmgr import env
from sysmgr.audit.services import Actor, record

from . import hashing, tokens
from .local_time import in_zone
from .models import PasswordLink, User
from .passwords import Hashed, check_password, held, store
from .user_errors import LinkRefused

# The random part is in the query, which no log of ours holds, as paths are.
PATH = "/password"
LIFE = timedelta(hours=24)
ENROLL_SECONDS = 900
_SALT = "accounts.links.enroll"


def issue(user: User) -> str:
    """Make a link for a user and return it; it is kept nowhere, and links of before end. The transaction is the
    caller's."""
    clear, now = secrets.token_urlsafe(32), timezone.now()
    PasswordLink.objects.filter(user=user, used_time=None).delete()
    PasswordLink.objects.create(user=user, digest=tokens.digest(clear), create_time=now, expire_time=now + LIFE)
    return f"{env.PUBLIC_URL}{PATH}?link={quote(clear)}"


def hand_over(user: User, policy: Policy) -> str | None:
    """Make a link for a user: mailed where the policy and the mail settings allow it (None), else returned."""
    link = issue(user)
    if not (policy.password.notify_user_password_when_create and user.email and policy.cluster_uuid):
        return link
    setting = MailSetting.objects.select_related("cluster").get(cluster=policy.cluster_uuid)
    if not ready(setting):
        return link
    end = in_zone(timezone.now() + LIFE)
    subject = "sysmgr: set your password / 请设置您的密码"
    send(setting.cluster, [user.email], subject, _body(user, link, end))
    return None


def find(clear: str, now: datetime) -> PasswordLink:
    """Return the link that is still good, with its user. Raises LinkRefused. Queries: one."""
    rows = PasswordLink.objects.filter(digest=tokens.digest(clear), used_time=None, expire_time__gt=now)
    link = rows.filter(user__is_active=True).select_related("user").first()
    if link is None:
        raise LinkRefused
    return link


def use(clear: str, password: str, actor: Actor) -> PasswordLink:
    """Set the password of a link's user (the actor) and use the link up; of two at once, one does.

    Raises LinkRefused, InvalidInput (the link stays good) or HashQueueFull.
    """
    now = timezone.now()
    link = find(clear, now)
    user = link.user
    with hashing.place():
        check_password(password, user)
        hashed = Hashed.of(password)
    with transaction.atomic():
        user = held(user.pk)
        good = PasswordLink.objects.filter(pk=link.pk, used_time=None, expire_time__gt=now, user__is_active=True)
        if not good.update(used_time=now):
            raise LinkRefused
        store(user, hashed)
        record(actor, "password.set", f"user {user.user_name}")
    return link


def permit(link: PasswordLink) -> str:
    """Return what lets whoever has just used a link go on to enroll a second factor."""
    return signing.dumps(str(link.pk), salt=_SALT)


def permitted(permit: str) -> User:
    """Return the user who may enroll by a permit. Raises LinkRefused. Queries: one."""
    try:
        pk = signing.loads(permit, salt=_SALT, max_age=ENROLL_SECONDS)
    except signing.BadSignature:
        raise LinkRefused from None
    link = PasswordLink.objects.filter(pk=pk, user__is_active=True).select_related("user").first()
    if link is None:
        raise LinkRefused
    return link.user


def _body(user: User, link: str, end: str) -> str:
    return (
        f"An account {user.user_name} was made for you, or its password was reset. Set a password here, once, until "
        f"{end}:\n\n{link}\n\n"
        "If you did not expect this, do nothing and tell an administrator.\n\n"
        f"已为您创建账号 {user.user_name}，或其密码已被重置。请在 {end} 之前通过上面的一次性链接设置密码。\n"
        "如果您并不知情，请勿操作，并告知管理员。\n"
    )
