"""The one-time link by which a user sets a password that nobody else has seen."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from .user import User


class PasswordLink(models.Model):
    """A link that is good once and for some time; only the digest of its random part is stored."""

    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="links", verbose_name=_("user"))
    digest = models.CharField(_("digest"), max_length=64, unique=True, editable=False)
    create_time = models.DateTimeField(_("created"))
    expire_time = models.DateTimeField(_("expires"))
    used_time = models.DateTimeField(_("used"), null=True)

    class Meta:
        verbose_name = _("password link")
        verbose_name_plural = _("password links")
        constraints = [
            models.CheckConstraint(condition=Q(expire_time__gt=F("create_time")), name="link_expires_after_creation")
        ]

    def __str__(self) -> str:
        return str(self.uuid)
