"""The addresses of the cluster app."""

from django.urls import path

from .api import SystemViewSet, healthz, readyz

urlpatterns = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("v1/system/version", SystemViewSet.as_view({"get": "version"})),
    path("v1/system/member/list", SystemViewSet.as_view({"get": "members"})),
]
