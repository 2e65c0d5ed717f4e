"""The revision: one change of a cluster's settings, and the change that is on probation until it is confirmed."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from cluster.models import Cluster
from sysmgr.crypto import SecretField


class SettingRevision(models.Model):
    """A change of settings. `number` counts from 1 in a cluster (1 is the cluster's creation);
    `key` is random and never repeats, so caches go by it even after a database restore."""

    class Kind(models.TextChoices):
        CREATED = "created", _("created")
        UPDATE = "update", _("update")
        RESTORE = "restore", _("restore")
        REVERT = "revert", _("taken back")

    key = models.UUIDField(_("key"), default=uuid.uuid4, unique=True, editable=False)
    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="revisions", verbose_name=_("cluster"))
    number = models.PositiveIntegerField(_("revision"))
    author = models.CharField(_("author"), max_length=64)
    door = models.CharField(_("door"), max_length=16)
    source = models.CharField(_("source address"), max_length=64, blank=True)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind, default=Kind.UPDATE)
    # Which revision this one brought back; null for one that did not.
    of_revision = models.PositiveIntegerField(_("brought back"), null=True)
    reason = models.CharField(_("reason"), max_length=255, blank=True)
    diff = models.JSONField(_("changes"), default=list, help_text=_("[{path, from, to}] without secrets"))
    snapshot = models.JSONField(
        _("settings after the change"), default=dict, help_text=_("All sections after the change, secrets masked.")
    )
    # {path: the revision that set it last}, carried from each revision to the next; a path that is missing was set
    # when the cluster was made.
    origins = models.JSONField(_("origins"), default=dict, editable=False)
    time = models.DateTimeField(_("time"), auto_now_add=True)

    class Meta:
        verbose_name = _("revision of settings")
        verbose_name_plural = _("revisions of settings")
        ordering = ["cluster", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["cluster", "number"], name="setting_revision_once"),
            models.CheckConstraint(
                condition=models.Q(kind__in=["created", "update", "restore", "revert"]),
                name="setting_revision_kind_known",
            ),
        ]

    def __str__(self) -> str:
        return f"revision {self.number} of {self.cluster}"


class PendingChange(models.Model):
    """A change that is taken back at its deadline unless it is confirmed before; at most one a cluster."""

    cluster = models.OneToOneField(
        Cluster, on_delete=models.CASCADE, primary_key=True, related_name="pending", verbose_name=_("cluster")
    )
    revision = models.PositiveIntegerField(_("revision"))
    deadline = models.DateTimeField(_("deadline"), db_index=True)
    author = models.CharField(_("author"), max_length=64)
    # What was stored before, whole and with its secrets, as JSON: what takes the change back needs nothing else.
    before = SecretField(_("settings before"))

    class Meta:
        verbose_name = _("change to be confirmed")
        verbose_name_plural = _("changes to be confirmed")

    def __str__(self) -> str:
        return f"revision {self.revision} until {self.deadline:%Y-%m-%d %H:%M:%S}"
