"""The access control section: who may reach the doors, by address and by time."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from settings_app.validators import validate_ip_ranges, validate_time_policy

from .base import Section


class AccessControlPolicy(Section):
    """Address ranges and time windows (contract §2), kept in the shape in which they are documented."""

    ip_enabled = models.BooleanField(_("check addresses"), default=False)
    ip_whitelist = models.BooleanField(
        _("only these addresses"),
        default=False,
        help_text=_("On: only the ranges below may come in. Off: all but the ranges below."),
    )
    ip_ranges = models.JSONField(_("address ranges"), default=list, blank=True, validators=[validate_ip_ranges])
    time_policy = models.JSONField(
        _("time windows"), null=True, blank=True, default=None, validators=[validate_time_policy]
    )

    class Meta:
        verbose_name = _("access control")
        verbose_name_plural = _("access control")
