"""The event: one thing that happened, in one stream for the whole installation."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q


class Event(models.Model):
    """One line of the stream; `subject` is the uuid of what it is about (a run, a cluster, …)."""

    class Severity(models.TextChoices):
        INFO = "info"
        WARNING = "warning"
        ERROR = "error"

    cluster_uuid = models.UUIDField(null=True)
    kind = models.CharField(max_length=64)
    severity = models.CharField(max_length=8, choices=Severity, default=Severity.INFO)
    subject = models.UUIDField(default=uuid.uuid4)
    message = models.CharField(max_length=1024)
    message_cn = models.CharField(max_length=1024)
    data = models.JSONField(default=dict)
    time = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["subject", "id"], name="event_subject_order")]
        constraints = [
            models.CheckConstraint(condition=Q(severity__in=["info", "warning", "error"]), name="event_severity_known")
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.kind}"
