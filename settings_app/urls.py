"""The addresses of settings."""

from django.urls import path

from .access_api import AccessControlViewSet
from .api import SettingViewSet
from .image_api import FrontStyleViewSet, image
from .outbox_api import OutboxViewSet
from .revision_api import RevisionViewSet

urlpatterns = [
    path("v1/system/mail_setting/inspect", SettingViewSet.as_view({"get": "mail_inspect"})),
    path("v1/system/mail_setting/update", SettingViewSet.as_view({"post": "mail_update"})),
    path("v1/system/mail_setting/test", SettingViewSet.as_view({"post": "mail_test"})),
    path("v1/system/mail/outbox/list", OutboxViewSet.as_view({"get": "list"})),
    path("v1/system/mail/outbox/inspect", OutboxViewSet.as_view({"get": "inspect"})),
    path("v1/system/mail/outbox/retry", OutboxViewSet.as_view({"post": "retry"})),
    path("v1/system/mail/outbox/remove", OutboxViewSet.as_view({"post": "remove"})),
    path("v1/system/setting/inspect", SettingViewSet.as_view({"get": "inspect"})),
    path("v1/system/setting/update", SettingViewSet.as_view({"post": "update"})),
    path("v1/system/setting/preview", RevisionViewSet.as_view({"post": "preview"})),
    path("v1/system/setting/explain", RevisionViewSet.as_view({"get": "explain"})),
    path("v1/system/setting/confirm", RevisionViewSet.as_view({"post": "confirm"})),
    path("v1/system/setting/pending", RevisionViewSet.as_view({"get": "pending"})),
    path("v1/system/setting/revision/list", RevisionViewSet.as_view({"get": "list"})),
    path("v1/system/setting/revision/inspect", RevisionViewSet.as_view({"get": "inspect"})),
    path("v1/system/setting/revision/restore", RevisionViewSet.as_view({"post": "restore"})),
    path("v1/system/access_control/explain", AccessControlViewSet.as_view({"get": "explain"})),
    path("v1/system/front_style/login_image/upload", FrontStyleViewSet.as_view({"post": "upload"})),
    path("media/login-image/<str:name>", image),
]
