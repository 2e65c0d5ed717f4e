"""Resumable uploads (tus) on their way in."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cluster.models import Cluster

from .packages import UpgradePackage


class TusUpload(models.Model):
    """One resumable upload; how much of it is here is the length of its file below <data dir>/uploads/."""

    class State(models.TextChoices):
        RECEIVING = "receiving", _("receiving")
        FINISHING = "finishing", _("being checked")
        ACCEPTED = "accepted", _("accepted")
        REFUSED = "refused", _("refused")

    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads", verbose_name=_("user")
    )
    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="uploads", verbose_name=_("cluster"))
    file_name = models.CharField(_("file name"), max_length=255)
    length = models.PositiveBigIntegerField(_("bytes"))
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.RECEIVING)
    package = models.ForeignKey(
        UpgradePackage, on_delete=models.SET_NULL, null=True, related_name="uploads", verbose_name=_("package")
    )
    scode = models.PositiveIntegerField(_("error code"), default=0)
    message = models.CharField(_("message in English"), max_length=1024, blank=True)
    message_cn = models.CharField(_("message in Chinese"), max_length=1024, blank=True)
    create_time = models.DateTimeField(_("created"), auto_now_add=True)
    expire_time = models.DateTimeField(_("expires"))

    class Meta:
        verbose_name = _("upload")
        verbose_name_plural = _("uploads")
        ordering = ["-create_time"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["receiving", "finishing", "accepted", "refused"]), name="upload_state_known"
            ),
            models.CheckConstraint(condition=Q(length__gt=0), name="upload_not_empty"),
        ]

    def __str__(self) -> str:
        return self.file_name
