"""The second factor: one authenticator of one-time codes a user, and the recovery codes for the day it is lost."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from sysmgr.crypto import SecretField

from .user import User


class SecondFactor(models.Model):
    """A user's authenticator (TOTP, RFC 6238). Until it is confirmed by a code it guards nothing."""

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="factor", verbose_name=_("user")
    )
    secret = SecretField(_("shared secret"))
    enroll_time = models.DateTimeField(_("enrolled"))
    confirmed_time = models.DateTimeField(_("confirmed"), null=True)
    # The time step of the newest code that was taken: a code is good once, and an older one never again.
    last_step = models.PositiveBigIntegerField(_("last step"), default=0, editable=False)

    class Meta:
        verbose_name = _("second factor")
        verbose_name_plural = _("second factors")

    def __str__(self) -> str:
        return f"second factor of {self.user_id}"


class RecoveryCode(models.Model):
    """A code that stands in for the authenticator once; it is random, so a fast digest is enough."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes", verbose_name=_("user"))
    digest = models.CharField(_("digest"), max_length=64, editable=False)
    used_time = models.DateTimeField(_("used"), null=True)

    class Meta:
        verbose_name = _("recovery code")
        verbose_name_plural = _("recovery codes")
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="recovery_code_once")]

    def __str__(self) -> str:
        return f"recovery code of {self.user_id}"
