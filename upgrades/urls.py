"""The addresses of packages, upgrades and backups."""

from django.urls import path

from .api.packages import PackageViewSet
from .api.runs import BackupViewSet, UpgradeViewSet

urlpatterns = [
    path("v1/system/upgrade_package/list", PackageViewSet.as_view({"get": "list"})),
    path("v1/system/upgrade_package/current/inspect", PackageViewSet.as_view({"get": "current"})),
    path("v1/system/upgrade_package/upload", PackageViewSet.as_view({"post": "upload"})),
    path("v1/system/compute/version/list", BackupViewSet.as_view({"get": "backups"})),
    path("v1/system/compute/version/upgrade", BackupViewSet.as_view({"post": "upgrade"})),
    path("v1/system/upgrade/inspect", UpgradeViewSet.as_view({"get": "inspect"})),
    path("v1/system/upgrade/list", UpgradeViewSet.as_view({"get": "list"})),
]
