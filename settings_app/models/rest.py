"""The sections of appearance, storage and SNMP."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from settings_app.validators import (
    validate_color,
    validate_http_url,
    validate_login_image,
    validate_server_host,
)
from sysmgr.crypto import SecretField

from .base import Section, between, bounded


class FrontStyleSetting(Section):
    """How the log-in page and the header look."""

    login_image = models.CharField(
        _("image of the log-in page"),
        max_length=1024,
        blank=True,
        default="",
        validators=[validate_login_image],
        help_text=_("Empty, or the path that an image upload answered."),
    )
    navigate_color = models.CharField(
        _("color of the navigation"),
        max_length=7,
        blank=True,
        default="",
        validators=[validate_color],
        help_text=_("Empty or #rrggbb."),
    )
    main_body_color = models.CharField(
        _("color of the page"),
        max_length=7,
        blank=True,
        default="",
        validators=[validate_color],
        help_text=_("Empty or #rrggbb."),
    )
    login_url = models.CharField(
        _("address of the log-in page"),
        max_length=255,
        blank=True,
        default="",
        validators=[validate_http_url],
        help_text=_("Empty, or an http or https URL; it is shown as text, never followed."),
    )

    class Meta:
        verbose_name = _("appearance")
        verbose_name_plural = _("appearance")


class StorageSetting(Section):
    """Stored and served for the storage service; nothing in this product consumes it."""

    hop_hc = bounded(
        _("hop_hc of the storage service"),
        1,
        0,
        2147483647,
        _("0 to 2147483647; stored and served for the storage service, nothing in this product uses it."),
    )

    class Meta:
        verbose_name = _("storage")
        verbose_name_plural = _("storage")
        constraints = [between("hop_hc", 0, 2147483647)]


class SnmpSettings(Section):
    """Whether there is a list of trap targets at all: null and an empty list are told apart."""

    has_list = models.BooleanField(_("there is a list"), default=False)

    class Meta:
        verbose_name = _("SNMP")
        verbose_name_plural = _("SNMP")


class SnmpTarget(models.Model):
    """One receiver of SNMP traps."""

    settings = models.ForeignKey(SnmpSettings, on_delete=models.CASCADE, related_name="targets", verbose_name=_("SNMP"))
    ordinal = models.PositiveSmallIntegerField(_("place"))
    name = models.CharField(_("name"), max_length=255, help_text=_("Each name once."))
    enabled = models.BooleanField(_("enabled"), default=True)
    version = models.CharField(_("SNMP version"), max_length=3, choices=[("v2c", "v2c"), ("v3", "v3")])
    host = models.CharField(
        _("host"), max_length=255, validators=[validate_server_host], help_text=_("An IP address or a host name.")
    )
    port = bounded(_("port"), 162, 1, 65535, _("1 to 65535."))
    community = SecretField(_("community"), blank=True, default="", help_text=_("Used by v2c."))
    user = models.CharField(_("user"), max_length=255, blank=True, default="", help_text=_("Used by v3."))
    auth_protocol = models.CharField(
        _("authentication"),
        max_length=6,
        blank=True,
        default="",
        choices=[(n, n) for n in ("sha", "sha256", "sha512")],
    )
    auth_password = SecretField(_("authentication password"), blank=True, default="")
    priv_protocol = models.CharField(
        _("encryption"), max_length=6, blank=True, default="", choices=[(n, n) for n in ("aes", "aes256")]
    )
    priv_password = SecretField(_("encryption password"), blank=True, default="")

    class Meta:
        verbose_name = _("SNMP target")
        verbose_name_plural = _("SNMP targets")
        ordering = ["ordinal"]
        constraints = [
            models.UniqueConstraint(fields=["settings", "name"], name="snmp_target_name_once"),
            models.CheckConstraint(condition=Q(version__in=["v2c", "v3"]), name="snmp_target_version_known"),
            between("port", 1, 65535),
        ]

    def __str__(self) -> str:
        return self.name
