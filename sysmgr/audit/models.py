"""The audit row: who did what, where, with which result, chained by digest to the row before."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class AuditRow(models.Model):
    """One change or log-in. Append-only: `digest` covers the row and the digest before it."""

    seq = models.PositiveBigIntegerField(_("number"), primary_key=True, editable=False)
    # Text, not a timestamp type: the digest covers these very characters on every database.
    time = models.CharField(_("time"), max_length=32)
    user_name = models.CharField(_("user name"), max_length=64)
    door = models.CharField(_("door"), max_length=16)
    source = models.CharField(_("source address"), max_length=64)
    action = models.CharField(_("action"), max_length=64)
    object = models.CharField(_("object"), max_length=255)
    changes = models.JSONField(_("changes"), default=list)
    result = models.CharField(_("result"), max_length=16)
    request_id = models.CharField(_("request"), max_length=36)
    previous = models.CharField(_("digest before"), max_length=64)
    digest = models.CharField(_("digest"), max_length=64, unique=True)

    class Meta:
        verbose_name = _("audit row")
        verbose_name_plural = _("audit rows")
        ordering = ["-seq"]
        indexes = [
            models.Index(fields=["time"], name="audit_time"),
            models.Index(fields=["user_name", "-seq"], name="audit_user"),
            models.Index(fields=["action", "-seq"], name="audit_action"),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(seq__gte=1), name="audit_counts_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.action}"


class AuditTally(models.Model):
    """Refusals of one kind from one source: the first is an audit row at once, further ones within the minute are
    counted here and become one later row (design §4), so that a flood can't fill the chain."""

    key = models.CharField(_("key"), max_length=64, unique=True, editable=False)
    user_name = models.CharField(_("user name"), max_length=64)
    door = models.CharField(_("door"), max_length=16)
    source = models.CharField(_("source address"), max_length=64)
    action = models.CharField(_("action"), max_length=64)
    object = models.CharField(_("object"), max_length=255)
    count = models.PositiveIntegerField(_("times"), default=0)  # not written as a row yet
    row_time = models.DateTimeField(_("last row"), db_index=True)

    class Meta:
        verbose_name = _("count of refusals")
        verbose_name_plural = _("counts of refusals")

    def __str__(self) -> str:
        return f"{self.action} {self.source} {self.count}"
