"""The admin's site: its texts, its log-in page, its look."""

from __future__ import annotations

from functools import wraps
from typing import Any

from django.contrib import messages
from django.core.paginator import InvalidPage
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from settings_app.selectors import front_style
from sysmgr.front_style import stylesheet
from sysmgr.theme import AdminSite

# Pages for whoever must change the password before anything else.
_FREE = frozenset({"password_change", "logout", "style", "jsi18n"})


class Site(AdminSite):
    """One site for the whole product; the apps register their pages with it."""

    site_header = _("System manager")
    site_title = _("System manager")
    index_title = _("Overview")
    site_url = None  # there is no other site to view
    # Django's own log of admin actions stays empty: revisions and the audit tell what was done, at every door.
    index_template = "admin/overview.html"
    login_template = "admin/sign_in.html"

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Lead whoever must change his password first to the page for that, wherever he wants to go."""
        inner = super().admin_view(view, cacheable)

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            from sysmgr.accounts.sessions import restricted

            name = request.resolver_match.url_name if request.resolver_match else ""
            if name not in _FREE and restricted(request):
                return HttpResponseRedirect(reverse("admin:password_change"))
            return inner(request, *args, **kwargs)

        return guarded

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Change one's own password by the same rules and with the same trace as at the API."""
        from sysmgr.accounts.password_page import change

        return change(request)

    def extra_urls(self) -> list[URLPattern]:
        """Add the stylesheet, which the log-in page needs too, and everybody's page of his own second factor."""
        mine = path("second_factor/", self.admin_view(self.second_factor), name="second_factor")
        return [path("style.css", stylesheet, name="style"), mine]

    def second_factor(self, request: HttpRequest) -> HttpResponse:
        """Enrol, confirm or remove one's own second factor."""
        from sysmgr.accounts.factor_admin import mine

        return mine(request)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Say the site's texts, which the theme would take from its settings, and the stylesheets."""
        context = super().each_context(request)
        texts = {"site_header": self.site_header, "site_title": self.site_title}
        styles = [*context.get("styles", []), static("sysmgr/admin.css"), reverse("admin:style")]
        return {**context, **texts, "styles": styles}

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show what waits for its confirmation, too."""
        from settings_app.admin.banner import banners

        return super().index(request, {**(extra_context or {}), "pending": banners(request)})

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the image and the address that the settings give the log-in page; the address is text.

        Who came in is told what the API would tell him, as that his password will expire.
        """
        from sysmgr.admin import in_chinese

        style = front_style()
        shown = {"login_image": style.login_image, "login_url": style.login_url}
        answer = super().login(request, {**shown, **(extra_context or {})})
        for notice in getattr(request, "login_notices", ()):
            messages.warning(request, notice.message_cn if in_chinese() else notice.message)
        return answer

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Find pages by name; the theme takes the page's number for one, whatever it is."""
        try:
            answer: HttpResponse = super().search(request, extra_context)  # type: ignore[misc]
        except (ValueError, InvalidPage):
            return HttpResponseBadRequest()
        return answer
