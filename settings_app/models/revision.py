"""The revision: one change of a cluster's settings, with its author, its door and its difference."""

from __future__ import annotations

import uuid

from django.db import models

from cluster.models import Cluster


class SettingRevision(models.Model):
    """A change of settings. `number` counts from 1 in a cluster (1 is the cluster's creation);
    `key` is random and never repeats, so caches go by it even after a database restore."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    author = models.CharField(max_length=64)
    door = models.CharField(max_length=16)
    source = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=255, blank=True)
    diff = models.JSONField(default=list, help_text="[{path, from, to}] without secrets")
    snapshot = models.JSONField(default=dict, help_text="all sections after the change, secrets masked")
    time = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["cluster", "-number"]
        constraints = [models.UniqueConstraint(fields=["cluster", "number"], name="setting_revision_once")]

    def __str__(self) -> str:
        return f"revision {self.number} of {self.cluster}"
