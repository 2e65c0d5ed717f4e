"""The audit row: who did what, where, with which result, chained by digest to the row before."""

from __future__ import annotations

from django.db import models


class AuditRow(models.Model):
    """One change or log-in. Append-only: `digest` covers the row and the digest before it."""

    seq = models.PositiveBigIntegerField(primary_key=True, editable=False)
    # Text, not a timestamp type: the digest covers these very characters on every database.
    time = models.CharField(max_length=32)
    user_name = models.CharField(max_length=64)
    door = models.CharField(max_length=16)
    source = models.CharField(max_length=64)
    action = models.CharField(max_length=64)
    object = models.CharField(max_length=255)
    changes = models.JSONField(default=list)
    result = models.CharField(max_length=16)
    request_id = models.CharField(max_length=36)
    previous = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["-seq"]

    def __str__(self) -> str:
        return f"{self.seq} {self.action}"
