"""The access control section: who may reach the doors, by address and by time."""

from __future__ import annotations

from django.db import models

from settings_app.validators import validate_ip_ranges, validate_time_policy

from .base import Section


class AccessControlPolicy(Section):
    """Address ranges and time windows (contract §2), kept in the shape in which they are documented."""

    ip_enabled = models.BooleanField(default=False)
    ip_whitelist = models.BooleanField(default=False)
    ip_ranges = models.JSONField(default=list, blank=True, validators=[validate_ip_ranges])
    time_policy = models.JSONField(null=True, blank=True, default=None, validators=[validate_time_policy])

    class Meta:
        verbose_name = "access control"
        verbose_name_plural = "access control"
