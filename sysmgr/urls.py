"""Every address of the product: literal paths, one table per app."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from django.views.i18n import set_language

from sysmgr.api.description import docs, openapi
from sysmgr.management.api import SupportBundleViewSet, prometheus

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("language", set_language, name="set_language"),
    path("v1/openapi.json", openapi),
    path("v1/docs", docs),
    path("metrics", prometheus),
    path("v1/system/support_bundle/create", SupportBundleViewSet.as_view({"post": "create"})),
    path("", include("cluster.urls")),
    path("", include("sysmgr.accounts.urls")),
    path("", include("sysmgr.audit.urls")),
    path("", include("settings_app.urls")),
    path("", include("upgrades.urls")),
]

handler400 = "sysmgr.api.handler.handler400"
handler403 = "sysmgr.pages.forbidden"
handler404 = "sysmgr.api.handler.handler404"
handler500 = "sysmgr.api.handler.handler500"
