"""The sections of appearance, storage and SNMP."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from settings_app.validators import (
    validate_color,
    validate_community,
    validate_http_url,
    validate_login_image,
    validate_server_host,
)
from sysmgr.crypto import SecretField

from .base import Section, between, bounded


class FrontStyleSetting(Section):
    """How the log-in page and the header look."""

    login_image = models.CharField(max_length=1024, blank=True, default="", validators=[validate_login_image])
    navigate_color = models.CharField(max_length=7, blank=True, default="", validators=[validate_color])
    main_body_color = models.CharField(max_length=7, blank=True, default="", validators=[validate_color])
    login_url = models.CharField(max_length=255, blank=True, default="", validators=[validate_http_url])

    class Meta:
        verbose_name = "appearance"
        verbose_name_plural = "appearance"


class StorageSetting(Section):
    """Stored and served for the storage service; nothing in this product consumes it."""

    hop_hc = bounded(1, 0, 2147483647)

    class Meta:
        verbose_name = "storage"
        verbose_name_plural = "storage"
        constraints = [between("hop_hc", 0, 2147483647)]


class SnmpSettings(Section):
    """Whether there is a list of trap targets at all: null and an empty list are told apart."""

    has_list = models.BooleanField(default=False)

    class Meta:
        verbose_name = "SNMP"
        verbose_name_plural = "SNMP"


class SnmpTarget(models.Model):
    """One receiver of SNMP traps."""

    settings = models.ForeignKey(SnmpSettings, on_delete=models.CASCADE, related_name="targets")
    ordinal = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=255)
    enabled = models.BooleanField(default=True)
    version = models.CharField(max_length=3, choices=[("v2c", "v2c"), ("v3", "v3")])
    host = models.CharField(max_length=255, validators=[validate_server_host])
    port = bounded(162, 1, 65535)
    community = SecretField(blank=True, default="", validators=[validate_community])
    user = models.CharField(max_length=255, blank=True, default="")
    auth_protocol = models.CharField(
        max_length=6, blank=True, default="", choices=[(n, n) for n in ("sha", "sha256", "sha512")]
    )
    auth_password = SecretField(blank=True, default="")
    priv_protocol = models.CharField(max_length=6, blank=True, default="", choices=[(n, n) for n in ("aes", "aes256")])
    priv_password = SecretField(blank=True, default="")

    class Meta:
        ordering = ["ordinal"]
        constraints = [
            models.UniqueConstraint(fields=["settings", "name"], name="snmp_target_name_once"),
            models.CheckConstraint(condition=Q(version__in=["v2c", "v3"]), name="snmp_target_version_known"),
            between("port", 1, 65535),
        ]

    def __str__(self) -> str:
        return self.name
