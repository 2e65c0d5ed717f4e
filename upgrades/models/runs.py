"""Runs and their items, and which run holds a host."""

from __future__ import annotations

from uuid import uuid4

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cluster.models import Cluster, Host, ServiceType

from .packages import UpgradePackage


class UpgradeRun(models.Model):
    """One request to change host-services; driven by the leader through the states of design §6."""

    class Kind(models.TextChoices):
        UPGRADE = "upgrade", _("upgrade")
        BACKUP = "backup", _("backup")
        RESTORE = "restore", _("restore")
        ROLLBACK = "rollback", _("rollback")

    class State(models.TextChoices):
        PENDING = "pending", _("waiting")
        PRECHECKING = "prechecking", _("prechecking")
        RUNNING = "running", _("running")
        PAUSING = "pausing", _("pausing")
        PAUSED = "paused", _("paused")
        CANCELLING = "cancelling", _("cancelling")
        CANCELLED = "cancelled", _("cancelled")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")

    class PausedBy(models.TextChoices):
        OPERATOR = "operator", _("an operator")
        THRESHOLD = "threshold", _("too many failures")
        PRECHECK = "precheck", _("a precheck that can be waived")
        GATE = "gate", _("the cluster's gate")
        WINDOW = "window", _("the end of its window")
        PAUSE_POINT = "pause_point", _("a pause point")
        REBOOT = "reboot", _("a host that must be rebooted")

    ENDED = (State.CANCELLED, State.SUCCEEDED, State.FAILED)
    RESTING = (*ENDED, State.PAUSED)

    uuid = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="runs", verbose_name=_("cluster"))
    kind = models.CharField(_("kind"), max_length=8, choices=Kind, default=Kind.UPGRADE)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.PENDING)
    paused_by = models.CharField(_("paused by"), max_length=16, choices=PausedBy, blank=True)
    prechecked = models.BooleanField(_("prechecked"), default=False)
    # So many failures an operator has seen and gone on: they count for the threshold no more.
    forgiven = models.PositiveIntegerField(_("failures passed over"), default=0)
    origin = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        related_name="rollbacks",
        verbose_name=_("takes back"),
        help_text=_("The run whose changes this one takes back."),
    )
    options = models.JSONField(_("options"), default=dict)
    author = models.CharField(_("author"), max_length=64)
    reason = models.CharField(_("reason"), max_length=255, blank=True)
    error = models.CharField(_("error"), max_length=64, blank=True)
    scode = models.PositiveIntegerField(_("error code"), default=0)
    message = models.CharField(_("message in English"), max_length=1024, blank=True)
    message_cn = models.CharField(_("message in Chinese"), max_length=1024, blank=True)
    create_time = models.DateTimeField(_("created"), auto_now_add=True)
    end_time = models.DateTimeField(_("ended"), null=True)

    class Meta:
        verbose_name = _("upgrade run")
        verbose_name_plural = _("upgrade runs")
        ordering = ["-create_time"]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        "pending",
                        "prechecking",
                        "running",
                        "pausing",
                        "paused",
                        "cancelling",
                        "cancelled",
                        "succeeded",
                        "failed",
                    ],
                ),
                name="run_state_known",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["upgrade", "backup", "restore", "rollback"]), name="run_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["cancelled", "succeeded", "failed"], end_time__isnull=False)
                | Q(~Q(state__in=["cancelled", "succeeded", "failed"]), end_time__isnull=True),
                name="run_ends_once",
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=["pausing", "paused"],
                    paused_by__in=["operator", "threshold", "precheck", "gate", "window", "pause_point", "reboot"],
                )
                | Q(~Q(state__in=["pausing", "paused"]), paused_by=""),
                name="run_paused_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return str(self.uuid)

    @property
    def rests(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state in self.RESTING

    @property
    def ended(self) -> bool:
        """Whether it is over, and its hosts are free."""
        return self.state in self.ENDED

    def early(self, now: float) -> bool:
        """Whether it waits for its window: nobody takes it up before."""
        return self.state == self.State.PENDING and int(self.options.get("not_before", 0)) > now


class UpgradeItem(models.Model):
    """One service of one host within a run."""

    class State(models.TextChoices):
        PENDING = "pending", _("waiting")
        PUSHING = "pushing", _("pushing")
        BACKING_UP = "backing_up", _("backing up")
        STAGING = "staging", _("staging")
        ACTIVATING = "activating", _("activating")
        VERIFYING = "verifying", _("verifying")
        COMMITTED = "committed", _("committed")
        FAILED = "failed", _("failed")
        ROLLING_BACK = "rolling_back", _("rolling back")
        ROLLED_BACK = "rolled_back", _("rolled back")
        SKIPPED = "skipped", _("skipped")
        INCONSISTENT = "inconsistent", _("unproven: needs a person")

    NOT_BEGUN = (State.PENDING, State.PUSHING)
    BAD = (State.FAILED, State.ROLLED_BACK, State.INCONSISTENT)
    ENDED = (State.COMMITTED, State.SKIPPED, *BAD)
    UNTOLD = {"scode": 0, "message": "", "message_cn": "", "reason": "", "definite": False}
    UNDER_WAY = (State.BACKING_UP, State.STAGING, State.ACTIVATING, State.VERIFYING, State.ROLLING_BACK)

    uuid = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    run = models.ForeignKey(UpgradeRun, on_delete=models.CASCADE, related_name="items", verbose_name=_("upgrade run"))
    # Under this name the host keeps its markers; another try is another task.
    task = models.UUIDField(_("task"), default=uuid4, unique=True, editable=False)
    ordinal = models.PositiveIntegerField(_("place"))
    # Names stand beside the references: what was done stays told when a host or a package is gone.
    host = models.ForeignKey(Host, on_delete=models.SET_NULL, null=True, related_name="items", verbose_name=_("host"))
    host_ip = models.CharField(_("address"), max_length=45)
    service_type = models.CharField(_("service"), max_length=8, choices=ServiceType)
    package = models.ForeignKey(
        UpgradePackage, on_delete=models.SET_NULL, null=True, related_name="items", verbose_name=_("package")
    )
    package_name = models.CharField(_("package name"), max_length=128)
    source = models.ForeignKey(
        "upgrades.Backup",
        on_delete=models.SET_NULL,
        null=True,
        related_name="restored_by",
        verbose_name=_("backup"),
        help_text=_("The backup that a restore or a rollback brings back."),
    )
    from_version = models.CharField(_("from version"), max_length=64)
    to_version = models.CharField(_("to version"), max_length=64)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.PENDING)
    scode = models.PositiveIntegerField(_("error code"), default=0)
    message = models.CharField(_("message in English"), max_length=1024, blank=True)
    message_cn = models.CharField(_("message in Chinese"), max_length=1024, blank=True)
    # The reason's key, as docs/upgrades.md lists them; a definite one is tried again only when somebody insists.
    reason = models.CharField(_("reason"), max_length=32, blank=True)
    definite = models.BooleanField(_("definite"), default=False)
    skip_reason = models.CharField(_("left out because"), max_length=255, blank=True)
    payload_bytes = models.PositiveBigIntegerField(_("bytes to bring"), default=0)
    sent = models.PositiveBigIntegerField(_("bytes sent"), default=0)
    begin_time = models.DateTimeField(_("begun"), null=True)
    end_time = models.DateTimeField(_("ended"), null=True)
    soak_until = models.DateTimeField(_("watched until"), null=True)
    update_time = models.DateTimeField(_("last change"), auto_now=True)

    class Meta:
        verbose_name = _("upgrade step")
        verbose_name_plural = _("upgrade steps")
        ordering = ["run", "ordinal"]
        constraints = [
            models.UniqueConstraint(fields=["run", "ordinal"], name="item_ordinal_once"),
            models.UniqueConstraint(fields=["run", "host_ip", "service_type"], name="item_service_once"),
            models.CheckConstraint(condition=Q(service_type__in=ServiceType.values), name="item_service_known"),
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
        return f"{self.host_ip} {self.service_type}"


class HostHold(models.Model):
    """The run that holds a host: the primary key lets the database refuse a second one."""

    host = models.OneToOneField(
        Host, on_delete=models.PROTECT, primary_key=True, related_name="hold", verbose_name=_("host")
    )
    run = models.ForeignKey(UpgradeRun, on_delete=models.CASCADE, related_name="holds", verbose_name=_("upgrade run"))

    class Meta:
        verbose_name = _("held host")
        verbose_name_plural = _("held hosts")

    def __str__(self) -> str:
        return f"{self.host} by {self.run}"
