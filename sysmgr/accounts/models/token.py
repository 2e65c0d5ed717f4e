"""What opens the doors: the token of a log-in, and the key of a program. Only a digest of each is stored."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from .user import Role, User


class Token(models.Model):
    """A log-in at the API or at the admin (where the session carries it): random, only its SHA-256 digest is kept."""

    class Door(models.TextChoices):
        API = "api", _("API")
        ADMIN = "admin", _("admin")

    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens", verbose_name=_("user"))
    door = models.CharField(_("door"), max_length=8, choices=Door, default=Door.API)
    digest = models.CharField(_("digest"), max_length=64, unique=True, editable=False)
    # Made by a client that sent the MD5 of the password (SYSMGR_LEGACY_LOGIN).
    legacy = models.BooleanField(_("of an old client"), default=False)
    source = models.CharField(_("source address"), max_length=64)
    create_time = models.DateTimeField(_("created"))
    last_used_time = models.DateTimeField(_("last used"))
    expire_time = models.DateTimeField(_("expires"))

    class Meta:
        verbose_name = _("log-in token")
        verbose_name_plural = _("log-in tokens")
        constraints = [
            models.CheckConstraint(condition=Q(expire_time__gt=F("create_time")), name="token_expires_after_creation"),
            models.CheckConstraint(condition=Q(door__in=["api", "admin"]), name="token_door_known"),
        ]

    def __str__(self) -> str:
        return str(self.uuid)


class ApiKey(models.Model):
    """A program's way in (contract §3): acts for its owner, with a role of its own that is at most the owner's."""

    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="keys", verbose_name=_("user"))
    name = models.CharField(_("name"), max_length=64, blank=True)
    digest = models.CharField(_("digest"), max_length=64, unique=True, editable=False)
    role = models.CharField(_("role"), max_length=16, choices=Role)
    ranges = models.JSONField(_("source ranges"), default=list, blank=True)  # empty: from everywhere
    create_time = models.DateTimeField(_("created"))
    last_used_time = models.DateTimeField(_("last used"), null=True)
    expire_time = models.DateTimeField(_("expires"), null=True)
    # Made by an old client for itself (SYSMGR_LEGACY_LOGIN): ends after 30 days unused, the oldest is replaced.
    legacy = models.BooleanField(_("made by an old client"), default=False)

    class Meta:
        verbose_name = _("key for programs")
        verbose_name_plural = _("keys for programs")
        constraints = [
            models.CheckConstraint(condition=Q(role__in=Role.values), name="key_role_known"),
            models.CheckConstraint(
                condition=Q(expire_time=None) | Q(expire_time__gt=F("create_time")), name="key_expires_after_creation"
            ),
        ]

    def __str__(self) -> str:
        return self.name or str(self.uuid)
