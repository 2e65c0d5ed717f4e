"""Mail that is to be sent: written in the transaction that causes it, kept until it went out or was given up."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cluster.models import Cluster
from sysmgr.crypto import SecretField


class OutboxMail(models.Model):
    """One mail to one receiver. Its text may hold a one-time link, so it is encrypted at rest."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        SENDING = "sending", _("sending")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")

    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    cluster = models.ForeignKey(
        Cluster, on_delete=models.CASCADE, related_name="outbox", verbose_name=_("cluster"), editable=False
    )
    receiver = models.CharField(_("receiver"), max_length=254)
    subject = models.CharField(_("subject line"), max_length=255)
    body = SecretField(_("mail text"))
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.WAITING)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    last_stage = models.CharField(_("last stage"), max_length=16, blank=True)
    last_reply = models.CharField(_("last reply"), max_length=255, blank=True)
    next_time = models.DateTimeField(_("next attempt"), null=True)
    # Whoever sends holds the mail under a random name until this time; then it is anybody's again.
    claim = models.UUIDField(_("claim"), null=True, editable=False)
    claim_end = models.DateTimeField(_("end of the claim"), null=True, editable=False)
    # The same at each attempt: whoever gets a mail twice can tell.
    message_id = models.CharField(_("message identifier"), max_length=320, blank=True, editable=False)
    create_time = models.DateTimeField(_("created"))
    end_time = models.DateTimeField(_("ended"), null=True)

    class Meta:
        verbose_name = _("mail in the outbox")
        verbose_name_plural = _("outbox")
        ordering = ["-create_time"]
        indexes = [models.Index(fields=["state", "next_time"], name="outbox_due")]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "sending", "sent", "failed"]), name="outbox_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state="sending", claim__isnull=False, claim_end__isnull=False)
                | Q(~Q(state="sending"), claim=None, claim_end=None),
                name="outbox_claimed_while_sending",
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", next_time__isnull=False) | Q(~Q(state="waiting"), next_time=None),
                name="outbox_waits_for_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.receiver}: {self.subject}"
