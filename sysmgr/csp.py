"""The content security policy: strict everywhere, and what the admin's theme needs on its pages only."""

from __future__ import annotations

from collections.abc import Callable

from csp.constants import HEADER
from csp.utils import build_policy
from django.http import HttpRequest, HttpResponse

_THEMED = ("/admin/", "/password")
# Alpine, which the theme is built on, evaluates expressions of its templates; its palette is an inline style.
# A script that stands in a page itself is run nowhere.
_ADMIN = {"script-src": ["'self'", "'unsafe-eval'"], "style-src": ["'self'", "'unsafe-inline'"]}


class PolicyMiddleware:
    """Adds the policy of settings.CONTENT_SECURITY_POLICY, widened for the theme; both are built once."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.strict = build_policy()
        self.admin = build_policy(replace=_ADMIN)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Say which scripts, styles and images the browser may load for this page."""
        response = self.get_response(request)
        response.headers.setdefault(HEADER, self.admin if request.path.startswith(_THEMED) else self.strict)
        return response
