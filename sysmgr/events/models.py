"""The event: one thing that happened, in one stream for the whole installation."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Event(models.Model):
    """One line of the stream; `subject` is the uuid of what it is about (a run, a cluster, …)."""

    class Severity(models.TextChoices):
        INFO = "info", _("info")
        WARNING = "warning", _("warning")
        ERROR = "error", _("error")

    cluster_uuid = models.UUIDField(_("cluster"), null=True)
    kind = models.CharField(_("kind"), max_length=64)
    severity = models.CharField(_("severity"), max_length=8, choices=Severity, default=Severity.INFO)
    subject = models.UUIDField(_("subject"), default=uuid.uuid4)
    message = models.CharField(_("message in English"), max_length=1024)
    message_cn = models.CharField(_("message in Chinese"), max_length=1024)
    data = models.JSONField(_("data"), default=dict)
    time = models.DateTimeField(_("time"), auto_now_add=True)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["id"]
        indexes = [models.Index(fields=["subject", "id"], name="event_subject_order")]
        constraints = [
            models.CheckConstraint(condition=Q(severity__in=["info", "warning", "error"]), name="event_severity_known")
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.kind}"
