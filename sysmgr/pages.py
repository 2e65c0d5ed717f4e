"""Middleware of the pages alone: API calls have no session, no message and no language of their own."""

from __future__ import annotations

from collections.abc import Awaitable

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils.deprecation import MiddlewareMixin

from sysmgr.api.gate import SESSION_PATHS


class _PagesOnly(MiddlewareMixin):
    """Lets an API call pass by: what the gate found out is all that it needs, and each stop costs time."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Go through the middleware, or past it."""
        if request.path.startswith("/v1/") and request.path not in SESSION_PATHS:
            return self.get_response(request)
        return super().__call__(request)


class PageSessionMiddleware(_PagesOnly, SessionMiddleware):
    """Django's sessions."""


class PageLocaleMiddleware(_PagesOnly, LocaleMiddleware):
    """Django's choice of the language."""


class PageAuthenticationMiddleware(_PagesOnly, AuthenticationMiddleware):
    """Django's user of the session."""


class PageMessageMiddleware(_PagesOnly, MessageMiddleware):
    """Django's messages."""
