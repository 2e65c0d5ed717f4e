"""The addresses of packages, upgrades and backups."""

from django.urls import path

from .api.backups import BackupCareViewSet, RollbackViewSet
from .api.controls import ControlViewSet
from .api.events import UpgradeEventViewSet
from .api.hosts import HostCareViewSet
from .api.packages import PackageViewSet
from .api.runs import BackupViewSet, UpgradeViewSet
from .api.trust import TrustViewSet
from .api.tus import TusViewSet, UploadViewSet

urlpatterns = [
    path("v1/system/host/probe", HostCareViewSet.as_view({"post": "probe"})),
    path("v1/system/host/repin", HostCareViewSet.as_view({"post": "repin"})),
    path("v1/system/host/adopt", HostCareViewSet.as_view({"post": "adopt"})),
    path("v1/system/upgrade_package/list", PackageViewSet.as_view({"get": "list"})),
    path("v1/system/upgrade_package/current/inspect", PackageViewSet.as_view({"get": "current"})),
    path("v1/system/upgrade_package/upload", PackageViewSet.as_view({"post": "upload"})),
    path("v1/system/upgrade_package/upload/list", UploadViewSet.as_view({"get": "list"})),
    path("v1/system/upgrade_package/tus", TusViewSet.as_view({"post": "create", "options": "discover"})),
    path(
        "v1/system/upgrade_package/tus/<uuid:upload_uuid>",
        TusViewSet.as_view(
            {"head": "offset", "patch": "append", "delete": "end", "post": "overridden", "options": "discover"}
        ),
    ),
    path("v1/system/upgrade_package/inspect", PackageViewSet.as_view({"get": "inspect"})),
    path("v1/system/upgrade_package/verify", PackageViewSet.as_view({"post": "verify"})),
    path("v1/system/upgrade_package/withdraw", PackageViewSet.as_view({"post": "withdraw"})),
    path("v1/system/upgrade_package/reinstate", PackageViewSet.as_view({"post": "reinstate"})),
    path("v1/system/upgrade_package/remove", PackageViewSet.as_view({"post": "remove"})),
    path("v1/system/upgrade_package/trust/list", TrustViewSet.as_view({"get": "list"})),
    path("v1/system/upgrade_package/trust/add", TrustViewSet.as_view({"post": "add"})),
    path("v1/system/upgrade_package/trust/remove", TrustViewSet.as_view({"post": "remove"})),
    path("v1/system/compute/version/list", BackupViewSet.as_view({"get": "backups"})),
    path("v1/system/compute/version/upgrade", BackupViewSet.as_view({"post": "upgrade"})),
    path("v1/system/compute/version/inspect", BackupCareViewSet.as_view({"get": "inspect"})),
    path("v1/system/compute/version/backup", BackupCareViewSet.as_view({"post": "backup"})),
    path("v1/system/compute/version/restore", BackupCareViewSet.as_view({"post": "restore"})),
    path("v1/system/compute/version/verify", BackupCareViewSet.as_view({"post": "verify"})),
    path("v1/system/compute/version/remove", BackupCareViewSet.as_view({"post": "remove"})),
    path("v1/system/upgrade/rollback", RollbackViewSet.as_view({"post": "rollback"})),
    path("v1/system/upgrade/inspect", UpgradeViewSet.as_view({"get": "inspect"})),
    path("v1/system/upgrade/item/inspect", UpgradeViewSet.as_view({"get": "item"})),
    path("v1/system/upgrade/event/list", UpgradeEventViewSet.as_view({"get": "list"})),
    path("v1/system/upgrade/list", UpgradeViewSet.as_view({"get": "list"})),
    path("v1/system/upgrade/plan", ControlViewSet.as_view({"post": "plan"})),
    path("v1/system/upgrade/pause", ControlViewSet.as_view({"post": "pause"})),
    path("v1/system/upgrade/resume", ControlViewSet.as_view({"post": "resume"})),
    path("v1/system/upgrade/cancel", ControlViewSet.as_view({"post": "cancel"})),
    path("v1/system/upgrade/retry", ControlViewSet.as_view({"post": "retry"})),
    path("v1/system/upgrade/skip", ControlViewSet.as_view({"post": "skip"})),
    path("v1/system/upgrade/waive", ControlViewSet.as_view({"post": "waive"})),
]
