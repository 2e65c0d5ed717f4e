"""The guard of the log-in: how often a (user, source) pair failed, known users and unknown ones alike."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class LoginGuard(models.Model):
    """Wrong log-ins of one name from one address since the last right one, or since the punishment's time passed."""

    # A digest, because what is sent as a name can be anything; the name itself only to be shown.
    name_digest = models.CharField(_("digest of the name"), max_length=64, editable=False)
    user_name = models.CharField(_("user name"), max_length=64)
    source = models.CharField(_("source address"), max_length=64)
    failures = models.PositiveIntegerField(_("failures"), default=0)
    last_time = models.DateTimeField(_("last failure"))
    # Attempts whose password is being looked at: they fill the places of failures until it is known.
    claims = models.PositiveIntegerField(_("attempts under way"), default=0)
    claim_time = models.DateTimeField(_("last attempt"), null=True)

    class Meta:
        verbose_name = _("log-in guard")
        verbose_name_plural = _("log-in guards")
        indexes = [models.Index(fields=["last_time"], name="login_guard_age")]
        constraints = [models.UniqueConstraint(fields=["name_digest", "source"], name="login_guard_pair")]

    def __str__(self) -> str:
        return f"{self.user_name} {self.source}"
