"""Every address of the product: literal paths, one table per app."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("", include("cluster.urls")),
    path("", include("sysmgr.accounts.urls")),
    path("", include("settings_app.urls")),
    path("", include("upgrades.urls")),
]

handler400 = "sysmgr.api.handler.handler400"
handler404 = "sysmgr.api.handler.handler404"
handler500 = "sysmgr.api.handler.handler500"
