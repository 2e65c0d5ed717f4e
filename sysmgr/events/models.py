"""What happened, in one stream for the whole installation; how far readers have come; alerts."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Event(models.Model):
    """One line of the stream; `subject` is the uuid of what it is about (a run, a cluster, …).

    Rows are written without a number, in the transaction that causes them, and numbered after it (services.number):
    numbers follow the order in which rows became visible, so a reader that goes on after one misses none.
    """

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
    number = models.PositiveBigIntegerField(_("number"), null=True, unique=True, editable=False)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["id"]
        indexes = [
            models.Index(fields=["subject", "number"], name="event_subject_order"),
            models.Index(fields=["time"], name="event_age"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(severity__in=["info", "warning", "error"]), name="event_severity_known")
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.kind}"


class Cursor(models.Model):
    """How far somebody has come in the stream; its row is locked while its owner goes on."""

    STREAM = "stream"  # the last number that was given
    NOTIFY = "notify"  # the last event that mail was written for

    name = models.CharField(_("name"), max_length=32, primary_key=True)
    number = models.PositiveBigIntegerField(_("number"), default=0)

    class Meta:
        verbose_name = _("place in the stream")
        verbose_name_plural = _("places in the stream")

    def __str__(self) -> str:
        return f"{self.name} {self.number}"


class Alert(models.Model):
    """Something that is wrong until it is closed; `key` names the cause, and each cause has one open alert."""

    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(_("cause"), max_length=128)
    cluster_uuid = models.UUIDField(_("cluster"), null=True)
    severity = models.CharField(_("severity"), max_length=8, choices=Event.Severity, default=Event.Severity.WARNING)
    message = models.CharField(_("message in English"), max_length=1024)
    message_cn = models.CharField(_("message in Chinese"), max_length=1024)
    count = models.PositiveIntegerField(_("times"), default=1)
    open_time = models.DateTimeField(_("open time"))
    last_time = models.DateTimeField(_("last time"))
    close_time = models.DateTimeField(_("close time"), null=True)
    acknowledge_time = models.DateTimeField(_("acknowledge time"), null=True)
    acknowledge_by = models.CharField(_("acknowledged by"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ["-open_time"]
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=Q(close_time=None), name="alert_open_once"),
            models.CheckConstraint(condition=Q(severity__in=["info", "warning", "error"]), name="alert_severity_known"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def state(self) -> str:
        """`open` until its cause is gone."""
        return "open" if self.close_time is None else "closed"
