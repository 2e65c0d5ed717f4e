"""Packages of a cluster's store, and the keys whose packages are accepted."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cluster.models import Cluster, ServiceType


class TrustedKey(models.Model):
    """A public key whose packages are accepted, by one cluster or (null) by all."""

    name = models.CharField(_("name"), max_length=64)
    public_key = models.CharField(_("public key"), max_length=64)
    fingerprint = models.CharField(_("fingerprint"), max_length=64)
    cluster = models.ForeignKey(
        Cluster,
        on_delete=models.CASCADE,
        null=True,
        related_name="trusted_keys",
        verbose_name=_("cluster"),
        help_text=_("Empty: trusted by all clusters."),
    )
    expire_time = models.DateTimeField(_("expires"), null=True)
    create_time = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("trusted key")
        verbose_name_plural = _("trusted keys")
        constraints = [
            models.UniqueConstraint(fields=["cluster", "fingerprint"], name="trusted_key_once"),
            models.UniqueConstraint(
                fields=["fingerprint"], condition=Q(cluster=None), name="trusted_key_everywhere_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class UpgradePackage(models.Model):
    """A package of a cluster's store; its file lies unchanged at packages/<cluster>/<name>."""

    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="packages", verbose_name=_("cluster"))
    package_name = models.CharField(_("package"), max_length=128)
    version = models.CharField(_("version"), max_length=64)
    md5 = models.CharField("MD5", max_length=32)
    sha256 = models.CharField("SHA-256", max_length=64)
    size = models.PositiveBigIntegerField(_("bytes"))
    signed_by = models.CharField(_("signed by"), max_length=64)
    fingerprint = models.CharField(_("fingerprint"), max_length=64)
    release_notes = models.TextField(_("release notes"), blank=True)
    withdrawn_time = models.DateTimeField(_("withdrawn"), null=True)
    withdrawn_reason = models.CharField(_("reason"), max_length=255, blank=True)
    update_time = models.DateTimeField(_("last use or intake"))
    create_time = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("package")
        verbose_name_plural = _("packages")
        constraints = [
            models.UniqueConstraint(fields=["cluster", "version"], name="package_version_once"),
            models.UniqueConstraint(fields=["cluster", "package_name"], name="package_name_once"),
            models.CheckConstraint(condition=Q(size__gt=0), name="package_not_empty"),
        ]

    def __str__(self) -> str:
        return self.package_name


class PackagePayload(models.Model):
    """What a package brings for one service."""

    package = models.ForeignKey(
        UpgradePackage, on_delete=models.CASCADE, related_name="payloads", verbose_name=_("package")
    )
    service_type = models.CharField(_("service"), max_length=8, choices=ServiceType)
    minimum_version = models.CharField(_("minimum version before"), max_length=64, blank=True)
    files = models.PositiveIntegerField(_("files"))
    size = models.PositiveBigIntegerField(_("bytes"))

    class Meta:
        verbose_name = _("payload")
        verbose_name_plural = _("payloads")
        constraints = [
            models.UniqueConstraint(fields=["package", "service_type"], name="payload_service_once"),
            models.CheckConstraint(condition=Q(service_type__in=ServiceType.values), name="payload_service_known"),
        ]

    def __str__(self) -> str:
        return f"{self.package} {self.service_type}"
