"""What each step on a host said and how long it took: bounded, without secrets."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .runs import UpgradeItem


class StepLog(models.Model):
    """One call of the host-side script for an item."""

    item = models.ForeignKey(UpgradeItem, on_delete=models.CASCADE, related_name="logs", verbose_name=_("upgrade step"))
    task = models.UUIDField(_("task"))
    step = models.CharField(_("step"), max_length=16)
    begin_time = models.DateTimeField(_("begun"))
    seconds = models.FloatField(_("seconds"))
    code = models.PositiveSmallIntegerField(
        _("exit code"), null=True, help_text=_("Empty when the host did not answer.")
    )
    sent = models.PositiveBigIntegerField(_("bytes sent"), default=0)
    text = models.TextField(_("what it said"), blank=True)

    class Meta:
        verbose_name = _("step log")
        verbose_name_plural = _("step logs")
        ordering = ["item", "pk"]

    def __str__(self) -> str:
        return f"{self.step} of {self.item}"
