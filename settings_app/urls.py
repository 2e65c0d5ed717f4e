"""The addresses of settings."""

from django.urls import path

from .api import SettingViewSet

urlpatterns = [
    path("v1/system/mail_setting/inspect", SettingViewSet.as_view({"get": "mail_inspect"})),
    path("v1/system/mail_setting/update", SettingViewSet.as_view({"post": "mail_update"})),
    path("v1/system/mail_setting/test", SettingViewSet.as_view({"post": "mail_test"})),
    path("v1/system/setting/inspect", SettingViewSet.as_view({"get": "inspect"})),
    path("v1/system/setting/update", SettingViewSet.as_view({"post": "update"})),
]
