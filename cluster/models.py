"""Clusters, hosts and their services; manager members and the one leader lease."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class ServiceType(models.TextChoices):
    """The services that sysmgr upgrades, in the order in which a host shows and upgrades them."""

    CLOUD = "cloud", _("cloud")
    COMPUTE = "compute", _("compute")
    STORAGE = "storage", _("storage")


SERVICE_ORDER = {service: place for place, service in enumerate(ServiceType.values)}


class Cluster(models.Model):
    """A set of hosts with settings of its own; the doors obey the default one's."""

    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=64, unique=True)
    default = models.BooleanField(_("default cluster"), default=False)
    demo = models.BooleanField(_("demonstration"), default=False, editable=False)
    # `{}` or one probe: what must say yes before each host of a run is begun.
    gate = models.JSONField(_("gate"), default=dict, blank=True)
    # By service type: what tells, beside the package's own commands, whether the service of a host is well.
    probes = models.JSONField(_("probes"), default=dict, blank=True)
    create_time = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("cluster")
        verbose_name_plural = _("clusters")
        constraints = [
            models.UniqueConstraint(fields=["default"], condition=Q(default=True), name="cluster_one_default"),
        ]

    def __str__(self) -> str:
        return self.name


class Host(models.Model):
    """A machine (or, for `local`, a directory) that runs services."""

    class Transport(models.TextChoices):
        LOCAL = "local", _("local folder")
        SSH = "ssh", "SSH"

    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="hosts", verbose_name=_("cluster"))
    host_ip = models.CharField(_("address"), max_length=45)
    transport = models.CharField(_("transport"), max_length=8, choices=Transport, default=Transport.SSH)
    root = models.CharField(
        _("folder"), max_length=255, help_text=_("The host's folder that holds its releases and backups.")
    )
    labels = models.JSONField(_("labels"), default=list, blank=True)
    ssh_port = models.PositiveIntegerField(_("SSH port"), default=22)
    ssh_user = models.CharField(_("SSH user"), max_length=64, blank=True)
    ssh_sudo = models.BooleanField(_("sudo"), default=False)
    host_key = models.CharField(_("pinned host key"), max_length=1024, blank=True)
    maintenance = models.BooleanField(_("in maintenance"), default=False, help_text=_("Runs leave the host out."))
    maintenance_reason = models.CharField(_("reason for the maintenance"), max_length=255, blank=True)
    seen_time = models.DateTimeField(_("last answered"), null=True, editable=False)
    create_time = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("host")
        verbose_name_plural = _("hosts")
        ordering = ["cluster", "host_ip"]
        constraints = [
            models.UniqueConstraint(fields=["cluster", "host_ip"], name="host_address_once"),
            models.CheckConstraint(condition=Q(transport__in=["local", "ssh"]), name="host_transport_known"),
            models.CheckConstraint(condition=Q(root__startswith="/"), name="host_root_absolute"),
            models.CheckConstraint(condition=Q(ssh_port__range=(1, 65535)), name="host_ssh_port_bounds"),
            models.CheckConstraint(
                condition=Q(maintenance=False, maintenance_reason="")
                | (Q(maintenance=True) & ~Q(maintenance_reason="")),
                name="host_maintenance_has_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return self.host_ip


class HostService(models.Model):
    """A service that a host runs, with the version that the host reported last."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="services", verbose_name=_("host"))
    service_type = models.CharField(_("service"), max_length=8, choices=ServiceType)
    version = models.CharField(_("version"), max_length=64, blank=True)
    unmanaged = models.BooleanField(_("unmanaged"), default=False)
    # The version that a run brought to others while it left this host out; empty when nothing is to be caught up.
    catch_up = models.CharField(_("to catch up with"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("host service")
        verbose_name_plural = _("host services")
        constraints = [
            models.UniqueConstraint(fields=["host", "service_type"], name="host_service_once"),
            models.CheckConstraint(condition=Q(service_type__in=ServiceType.values), name="host_service_type_known"),
            models.CheckConstraint(condition=Q(unmanaged=True) | ~Q(version=""), name="host_service_version_known"),
        ]

    def __str__(self) -> str:
        return f"{self.service_type} {self.version}"


class Member(models.Model):
    """A live or past manager process: one row a process, its heartbeat in database time."""

    holder = models.UUIDField(_("process"), primary_key=True, default=uuid.uuid4, editable=False)
    address = models.CharField(_("address"), max_length=255)
    version = models.CharField(_("version"), max_length=64)
    heartbeat = models.DateTimeField(_("heartbeat"))

    class Meta:
        verbose_name = _("manager")
        verbose_name_plural = _("managers")

    def __str__(self) -> str:
        return self.address


class LeaderLease(models.Model):
    """The one lease: whoever holds it leads until it expires; the term only ever grows and fences."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    holder = models.UUIDField(_("process"), null=True)
    address = models.CharField(_("address"), max_length=255, blank=True)
    term = models.PositiveBigIntegerField(_("term"), default=0)
    expires_at = models.DateTimeField(_("expires"), null=True)

    class Meta:
        verbose_name = _("leader lease")
        verbose_name_plural = _("leader lease")
        constraints = [models.CheckConstraint(condition=Q(id=1), name="leader_lease_single_row")]

    def __str__(self) -> str:
        return f"term {self.term}"
