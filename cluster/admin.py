"""The admin door of clusters: clusters, hosts and what they run, managers and their lease."""

from __future__ import annotations

from django.contrib import admin

from sysmgr.admin import ReadOnlyAdmin, ReadOnlyInline

from .models import Cluster, Host, HostService, LeaderLease, Member


@admin.register(Cluster)
class ClusterAdmin(ReadOnlyAdmin[Cluster]):
    list_display = ["name", "uuid", "default", "demo", "create_time"]
    search_fields = ["name"]
    ordering = ["name"]


class HostServiceInline(ReadOnlyInline):
    model = HostService
    fields = ["service_type", "version", "unmanaged", "catch_up"]


@admin.register(Host)
class HostAdmin(ReadOnlyAdmin[Host]):
    list_display = ["host_ip", "cluster", "transport", "root", "labels", "maintenance", "seen_time"]
    list_filter = ["cluster", "transport", "maintenance"]
    list_select_related = ["cluster"]
    search_fields = ["host_ip"]
    inlines = [HostServiceInline]


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
