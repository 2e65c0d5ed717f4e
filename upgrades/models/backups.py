"""Backups on hosts."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cluster.models import Host, ServiceType

from .runs import UpgradeItem


class Backup(models.Model):
    """A backup on a host: the release of one service as it was before a change."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="backups", verbose_name=_("host"))
    service_type = models.CharField(_("service"), max_length=8, choices=ServiceType)
    package_name = models.CharField(_("backup"), max_length=128)
    version = models.CharField(_("version"), max_length=64)
    md5 = models.CharField("MD5", max_length=32, blank=True)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    size = models.PositiveBigIntegerField(_("bytes"), null=True)
    begin_time = models.DateTimeField(_("begun"))
    update_time = models.DateTimeField(
        _("complete"), null=True, help_text=_("When it was complete; empty while it is written.")
    )
    item = models.ForeignKey(
        UpgradeItem, on_delete=models.SET_NULL, null=True, related_name="backups", verbose_name=_("upgrade step")
    )

    task = models.UUIDField(_("task"), null=True, unique=True, editable=False)
    verified_time = models.DateTimeField(_("verified"), null=True)
    remove_time = models.DateTimeField(
        _("given up"), null=True, help_text=_("When its removal was decided; the row goes once the file is gone.")
    )

    class Meta:
        verbose_name = _("backup")
        verbose_name_plural = _("backups")
        constraints = [
            models.UniqueConstraint(fields=["host", "package_name"], name="backup_name_once"),
            models.CheckConstraint(condition=Q(service_type__in=ServiceType.values), name="backup_service_known"),
            models.CheckConstraint(
                condition=Q(update_time__isnull=True) | Q(size__isnull=False), name="backup_complete_has_size"
            ),
        ]

    def __str__(self) -> str:
        return self.package_name
