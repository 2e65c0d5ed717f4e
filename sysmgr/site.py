"""The admin's site: its texts, its log-in page, its look."""

from __future__ import annotations

from typing import Any

from django.core.paginator import InvalidPage
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from settings_app.selectors import front_style
from sysmgr.front_style import stylesheet
from sysmgr.theme import AdminSite


class Site(AdminSite):
    """One site for the whole product; the apps register their pages with it."""

    site_header = _("System manager")
    site_title = _("System manager")
    index_title = _("Overview")
    site_url = None  # there is no other site to view
    # Django's own log of admin actions stays empty: revisions and the audit tell what was done, at every door.
    index_template = "admin/overview.html"
    login_template = "admin/sign_in.html"

    def extra_urls(self) -> list[URLPattern]:
        """Add the stylesheet, which the log-in page needs too."""
        return [path("style.css", stylesheet, name="style")]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Say the site's texts, which the theme would take from its settings, and the stylesheet."""
        context = super().each_context(request)
        texts = {"site_header": self.site_header, "site_title": self.site_title}
        return {**context, **texts, "styles": [*context.get("styles", []), reverse("admin:style")]}

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the image and the address that the settings give the log-in page; the address is text."""
        style = front_style()
        shown = {"login_image": style.login_image, "login_url": style.login_url}
        return super().login(request, {**shown, **(extra_context or {})})

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Find pages by name; the theme takes the page's number for one, whatever it is."""
        try:
            answer: HttpResponse = super().search(request, extra_context)  # type: ignore[misc]
        except (ValueError, InvalidPage):
            return HttpResponseBadRequest()
        return answer
