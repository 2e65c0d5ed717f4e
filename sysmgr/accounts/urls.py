"""The addresses of accounts."""

from django.urls import path

from .api import AuthenticationViewSet
from .factor_api import FactorViewSet
from .key_api import KeyViewSet
from .link_page import password_link
from .session_api import SessionViewSet
from .user_api import PasswordViewSet, UserViewSet

urlpatterns = [
    path("v1/authentication/login", AuthenticationViewSet.as_view({"post": "login"})),
    path("v1/authentication/logout", AuthenticationViewSet.as_view({"post": "logout"})),
    path("v1/authentication/otp/enroll", FactorViewSet.as_view({"post": "enroll"})),
    path("v1/authentication/otp/confirm", FactorViewSet.as_view({"post": "confirm"})),
    path("v1/authentication/otp/remove", FactorViewSet.as_view({"post": "remove"})),
    path("v1/authentication/password/change", PasswordViewSet.as_view({"post": "change"})),
    path("v1/authentication/session/list", SessionViewSet.as_view({"get": "list"})),
    path("v1/authentication/session/end", SessionViewSet.as_view({"post": "end"})),
    path("v1/apikey/list", KeyViewSet.as_view({"get": "list"})),
    path("v1/apikey/create", KeyViewSet.as_view({"post": "create"})),
    path("v1/apikey/remove", KeyViewSet.as_view({"post": "remove"})),
    path("v1/system/user/list", UserViewSet.as_view({"get": "list"})),
    path("v1/system/user/create", UserViewSet.as_view({"post": "create"})),
    path("v1/system/user/update", UserViewSet.as_view({"post": "update"})),
    path("v1/system/user/remove", UserViewSet.as_view({"post": "remove"})),
    path("password", password_link, name="password_link"),
]
