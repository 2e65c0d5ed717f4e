"""The admin door of clusters: clusters, hosts and what they run, managers and their lease."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from sysmgr.acts import ActingAdmin
from sysmgr.admin import ReadOnlyAdmin, ReadOnlyInline, pretty

from . import probe_admin
from .models import Cluster, Host, HostService, LeaderLease, Member


@admin.register(Cluster)
class ClusterAdmin(ActingAdmin[Cluster]):
    list_display = ["name", "uuid", "default", "demo", "create_time"]
    search_fields = ["name"]
    ordering = ["name"]
    instead = {"gate": "pretty_gate", "probes": "pretty_probes"}
    acts = probe_admin.ACTS

    @admin.display(description=_("gate"))
    def pretty_gate(self, cluster: Cluster) -> SafeString | str:
        """Return the gate as indented JSON."""
        return pretty(cluster.gate) if cluster.gate else "-"

    @admin.display(description=_("probes"))
    def pretty_probes(self, cluster: Cluster) -> SafeString | str:
        """Return the probes as indented JSON."""
        return pretty(cluster.probes) if cluster.probes else "-"


class HostServiceInline(ReadOnlyInline):
    model = HostService
    fields = ["service_type", "version", "unmanaged", "catch_up"]


@admin.register(Host)
class HostAdmin(ReadOnlyAdmin[Host]):
    list_display = ["host_ip", "cluster", "transport", "root", "label_list", "held_out", "seen_time"]
    list_filter = ["cluster", "transport", "maintenance"]
    list_select_related = ["cluster"]
    search_fields = ["host_ip"]
    inlines = [HostServiceInline]
    instead = {"labels": "label_list", "maintenance": "held_out"}
    hidden = ("maintenance_reason",)

    @admin.display(description=_("labels"))
    def label_list(self, host: Host) -> str:
        """Return the labels as one line."""
        return ", ".join(host.labels) or "-"

    @admin.display(description=_("in maintenance"))
    def held_out(self, host: Host) -> str:
        """Return why runs leave the host out."""
        return host.maintenance_reason or "-"


@admin.register(HostService)
class HostServiceAdmin(ReadOnlyAdmin[HostService]):
    list_display = ["host", "service_type", "version", "unmanaged", "catch_up"]
    list_filter = ["service_type", "unmanaged", "host__cluster"]
    list_select_related = ["host"]
    search_fields = ["host__host_ip", "version"]
    ordering = ["host__host_ip", "service_type"]


@admin.register(Member)
class MemberAdmin(ReadOnlyAdmin[Member]):
    list_display = ["address", "version", "heartbeat", "holder"]
    ordering = ["-heartbeat"]


@admin.register(LeaderLease)
class LeaderLeaseAdmin(ReadOnlyAdmin[LeaderLease]):
    list_display = ["term", "address", "holder", "expires_at"]
