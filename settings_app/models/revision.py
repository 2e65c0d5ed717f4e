"""The revision: one change of a cluster's settings, with its author, its door and its difference."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from cluster.models import Cluster


class SettingRevision(models.Model):
    """A change of settings. `number` counts from 1 in a cluster (1 is the cluster's creation);
    `key` is random and never repeats, so caches go by it even after a database restore."""

    key = models.UUIDField(_("key"), default=uuid.uuid4, unique=True, editable=False)
    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="revisions", verbose_name=_("cluster"))
    number = models.PositiveIntegerField(_("revision"))
    author = models.CharField(_("author"), max_length=64)
    door = models.CharField(_("door"), max_length=16)
    source = models.CharField(_("source address"), max_length=64, blank=True)
    reason = models.CharField(_("reason"), max_length=255, blank=True)
    diff = models.JSONField(_("changes"), default=list, help_text=_("[{path, from, to}] without secrets"))
    snapshot = models.JSONField(
        _("settings after the change"), default=dict, help_text=_("All sections after the change, secrets masked.")
    )
    time = models.DateTimeField(_("time"), auto_now_add=True)

    class Meta:
        verbose_name = _("revision of settings")
        verbose_name_plural = _("revisions of settings")
        ordering = ["cluster", "-number"]
        constraints = [models.UniqueConstraint(fields=["cluster", "number"], name="setting_revision_once")]

    def __str__(self) -> str:
        return f"revision {self.number} of {self.cluster}"
