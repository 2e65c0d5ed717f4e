"""The addresses of packages and backups."""

from django.urls import path

from .api import BackupViewSet, PackageViewSet

urlpatterns = [
    path("v1/system/upgrade_package/list", PackageViewSet.as_view({"get": "list"})),
    path("v1/system/upgrade_package/current/inspect", PackageViewSet.as_view({"get": "current"})),
    path("v1/system/compute/version/list", BackupViewSet.as_view({"get": "backups"})),
]
