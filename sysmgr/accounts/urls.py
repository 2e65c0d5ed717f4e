"""The addresses of accounts."""

from django.urls import path

from .api import AuthenticationViewSet

urlpatterns = [
    path("v1/authentication/login", AuthenticationViewSet.as_view({"post": "login"})),
    path("v1/authentication/logout", AuthenticationViewSet.as_view({"post": "logout"})),
]
