"""Packages and their trust, runs and their items, backups, and who holds a host."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from cluster.models import Cluster, Host, ServiceType

_service = Q(service_type__in=ServiceType.values)


class TrustedKey(models.Model):
    """A public key whose packages are accepted, by one cluster or (null) by all."""

    name = models.CharField(max_length=64)
    public_key = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64)
    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, null=True, related_name="trusted_keys")
    expire_time = models.DateTimeField(null=True)
    create_time = models.DateTimeField(auto_now_add=True)

    class Meta:
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

    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="packages")
    package_name = models.CharField(max_length=128)
    version = models.CharField(max_length=64)
    md5 = models.CharField(max_length=32)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    signed_by = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64)
    release_notes = models.TextField(blank=True)
    update_time = models.DateTimeField()
    create_time = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "version"], name="package_version_once"),
            models.UniqueConstraint(fields=["cluster", "package_name"], name="package_name_once"),
            models.CheckConstraint(condition=Q(size__gt=0), name="package_not_empty"),
        ]

    def __str__(self) -> str:
        return self.package_name


class PackagePayload(models.Model):
    """What a package brings for one service."""

    package = models.ForeignKey(UpgradePackage, on_delete=models.CASCADE, related_name="payloads")
    service_type = models.CharField(max_length=8, choices=ServiceType)
    minimum_version = models.CharField(max_length=64, blank=True)
    files = models.PositiveIntegerField()
    size = models.PositiveBigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["package", "service_type"], name="payload_service_once"),
            models.CheckConstraint(condition=_service, name="payload_service_known"),
        ]

    def __str__(self) -> str:
        return f"{self.package} {self.service_type}"


class UpgradeRun(models.Model):
    """One request to upgrade host-services; driven by the leader through the states of design §6."""

    class State(models.TextChoices):
        PENDING = "pending"
        PRECHECKING = "prechecking"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="runs")
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    options = models.JSONField(default=dict)
    author = models.CharField(max_length=64)
    reason = models.CharField(max_length=255, blank=True)
    error = models.CharField(max_length=64, blank=True)
    scode = models.PositiveIntegerField(default=0)
    message = models.CharField(max_length=1024, blank=True)
    message_cn = models.CharField(max_length=1024, blank=True)
    create_time = models.DateTimeField(auto_now_add=True)
    end_time = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-create_time"]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    state__in=["pending", "prechecking", "running", "succeeded", "failed"],
                ),
                name="run_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["succeeded", "failed"], end_time__isnull=False)
                | Q(~Q(state__in=["succeeded", "failed"]), end_time__isnull=True),
                name="run_ends_once",
            ),
        ]

    def __str__(self) -> str:
        return str(self.uuid)

    @property
    def rests(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state in (self.State.SUCCEEDED, self.State.FAILED)


class UpgradeItem(models.Model):
    """One service of one host within a run; its uuid is the task under which the host keeps markers."""

    class State(models.TextChoices):
        PENDING = "pending"
        PUSHING = "pushing"
        BACKING_UP = "backing_up"
        STAGING = "staging"
        ACTIVATING = "activating"
        VERIFYING = "verifying"
        COMMITTED = "committed"
        FAILED = "failed"
        ROLLING_BACK = "rolling_back"
        ROLLED_BACK = "rolled_back"
        SKIPPED = "skipped"
        INCONSISTENT = "inconsistent"

    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(UpgradeRun, on_delete=models.CASCADE, related_name="items")
    ordinal = models.PositiveIntegerField()
    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="items")
    service_type = models.CharField(max_length=8, choices=ServiceType)
    package = models.ForeignKey(UpgradePackage, on_delete=models.PROTECT, related_name="items")
    from_version = models.CharField(max_length=64)
    to_version = models.CharField(max_length=64)
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    scode = models.PositiveIntegerField(default=0)
    message = models.CharField(max_length=1024, blank=True)
    message_cn = models.CharField(max_length=1024, blank=True)
    update_time = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["run", "ordinal"]
        constraints = [
            models.UniqueConstraint(fields=["run", "ordinal"], name="item_ordinal_once"),
            models.UniqueConstraint(fields=["run", "host", "service_type"], name="item_service_once"),
            models.CheckConstraint(condition=_service, name="item_service_known"),
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        "pending",
                        "pushing",
                        "backing_up",
                        "staging",
                        "activating",
                        "verifying",
                        "committed",
                        "failed",
                        "rolling_back",
                        "rolled_back",
                        "skipped",
                        "inconsistent",
                    ]
                ),
                name="item_state_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.host} {self.service_type}"


class HostHold(models.Model):
    """The run that holds a host: the primary key lets the database refuse a second one."""

    host = models.OneToOneField(Host, on_delete=models.CASCADE, primary_key=True, related_name="hold")
    run = models.ForeignKey(UpgradeRun, on_delete=models.CASCADE, related_name="holds")

    def __str__(self) -> str:
        return f"{self.host} by {self.run}"


class Backup(models.Model):
    """A backup on a host: the release of one service as it was before a change."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="backups")
    service_type = models.CharField(max_length=8, choices=ServiceType)
    package_name = models.CharField(max_length=128)
    version = models.CharField(max_length=64)
    md5 = models.CharField(max_length=32, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.PositiveBigIntegerField(null=True)
    begin_time = models.DateTimeField()
    update_time = models.DateTimeField(null=True, help_text="When it was complete; null while it is written.")
    item = models.ForeignKey(UpgradeItem, on_delete=models.SET_NULL, null=True, related_name="backups")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["host", "package_name"], name="backup_name_once"),
            models.CheckConstraint(condition=_service, name="backup_service_known"),
            models.CheckConstraint(
                condition=Q(update_time__isnull=True) | Q(size__isnull=False), name="backup_complete_has_size"
            ),
        ]

    def __str__(self) -> str:
        return self.package_name
