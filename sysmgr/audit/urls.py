"""The addresses of the audit."""

from django.urls import path

from .api import AuditViewSet

urlpatterns = [
    path("v1/system/audit/list", AuditViewSet.as_view({"get": "list"})),
    path("v1/system/audit/export", AuditViewSet.as_view({"get": "export"})),
    path("v1/system/audit/verify", AuditViewSet.as_view({"get": "verify"})),
]
