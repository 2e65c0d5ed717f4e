"""The addresses of the cluster app."""

from django.urls import path

from .alerts import AlertViewSet
from .api import ClustersViewSet, HostViewSet, SystemViewSet, healthz, readyz

urlpatterns = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("v1/system/version", SystemViewSet.as_view({"get": "version"})),
    path("v1/system/member/list", SystemViewSet.as_view({"get": "members"})),
    path("v1/system/cluster/list", ClustersViewSet.as_view({"get": "list"})),
    path("v1/system/cluster/inspect", ClustersViewSet.as_view({"get": "inspect"})),
    path("v1/system/cluster/create", ClustersViewSet.as_view({"post": "create"})),
    path("v1/system/cluster/update", ClustersViewSet.as_view({"post": "update"})),
    path("v1/system/cluster/remove", ClustersViewSet.as_view({"post": "remove"})),
    path("v1/system/host/list", HostViewSet.as_view({"get": "list"})),
    path("v1/system/host/inspect", HostViewSet.as_view({"get": "inspect"})),
    path("v1/system/host/create", HostViewSet.as_view({"post": "create"})),
    path("v1/system/host/update", HostViewSet.as_view({"post": "update"})),
    path("v1/system/host/import", HostViewSet.as_view({"post": "import_"})),
    path("v1/system/host/remove", HostViewSet.as_view({"post": "remove"})),
    path("v1/system/alert/list", AlertViewSet.as_view({"get": "list"})),
    path("v1/system/alert/acknowledge", AlertViewSet.as_view({"post": "acknowledge"})),
]
