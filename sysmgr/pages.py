"""Middleware of the pages alone: API calls have no session, message or language; and what other sites send in."""

from __future__ import annotations

from collections.abc import Awaitable

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import SimpleLazyObject
from django.views.csrf import csrf_failure
from django.views.defaults import permission_denied

from sysmgr.accounts.models import User
from sysmgr.accounts.sessions import session_user
from sysmgr.api.gate import SESSION_PATHS, called
from sysmgr.audit.refusals import refuse
from sysmgr.audit.services import Actor


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
    """The user of the session, as its token says at this moment."""

    def process_request(self, request: HttpRequest) -> None:
        """Find out lazily: not every page asks."""
        request.user = SimpleLazyObject(lambda: session_user(request))  # type: ignore[assignment]


class PageMessageMiddleware(_PagesOnly, MessageMiddleware):
    """Django's messages."""


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Refuse a page that is not the user's to open, as Django does, and leave a trace of it."""
    _audit(request, "call")
    return permission_denied(request, exception)


def cross_site(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Refuse a form that does not come from our pages, as Django does, and leave a trace of it."""
    _audit(request, "cross_site")
    return csrf_failure(request, reason)


def _audit(request: HttpRequest, action: str) -> None:
    user, gate = request.user, request.gate  # type: ignore[attr-defined]
    name = user.user_name if isinstance(user, User) else ""
    refuse(Actor(name, "admin", gate.source, gate.request_id), action, called(request))
