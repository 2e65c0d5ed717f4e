"""The admin door of log-ins that are under way, one's own and everybody's, and of the locks of the log-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from settings_app.policy import current_policy
from sysmgr.acts import Act, ActingAdmin, own_page
from sysmgr.admin import actor_of, in_chinese
from sysmgr.errors import SysmgrError

from . import services, sessions
from .models import LoginGuard, Token, User

MINE = "admin:accounts_token_mine"


def mine(request: HttpRequest) -> HttpResponse:
    """Show the user's own log-ins, and end one of them."""
    user = request.user
    assert isinstance(user, User)
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    if request.method == "POST":
        try:
            services.end_session(as_uuid(request.POST.get("session", "")), user.pk, actor_of(request))
            messages.success(request, gettext("The log-in was ended."))
        except SysmgrError as error:
            messages.error(request, error.text_cn if in_chinese() else error.text)
        return HttpResponseRedirect(reverse(MINE))
    rows = services.living(current_policy()).filter(user=user)[:100]
    texts = {"end": gettext("End"), "current": gettext("this one")}
    heads = [gettext("door"), gettext("source address"), gettext("created"), gettext("last used"), gettext("expires")]
    context = {"texts": texts, "heads": heads, "rows": rows, "current": sessions.token_uuid(request)}
    return own_page(request, "admin/accounts/my_sessions.html", _("My log-ins"), **context)


def as_uuid(text: str) -> UUID:
    """Return the UUID that a form sends back, or nobody's."""
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


def _end(request: HttpRequest, token: Token, given: Mapping[str, Any]) -> None:
    services.end_session(token.pk, None, actor_of(request))


class TokenAdmin(ActingAdmin[Token]):
    """Log-ins at the API and at the admin."""

    list_display = ["user", "door", "source", "create_time", "last_used_time", "expire_time"]
    list_display_links = ["source"]
    list_select_related = ["user"]
    search_fields = ["user__user_name", "source"]
    ordering = ["-last_used_time"]
    hidden = ("digest",)
    acts = (
        Act(
            name="end",
            call="user/session/end",
            label=_("End"),
            question=_("Whoever uses it must log in again."),
            done=_("The log-in was ended."),
            do=_end,
            danger=True,
            leaves=True,
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        """Add everybody's own page, whoever may see the list."""
        return [path("mine/", self.admin_site.admin_view(mine), name="accounts_token_mine"), *super().get_urls()]


def _unlock(request: HttpRequest, row: LoginGuard, given: Mapping[str, Any]) -> None:
    services.unlock(row.user_name, actor_of(request), row.name_digest)


class LoginGuardAdmin(ActingAdmin[LoginGuard]):
    """Wrong log-ins by name and address."""

    list_display = ["user_name", "source", "failures", "last_time"]
    search_fields = ["user_name", "source"]
    ordering = ["-last_time"]
    hidden = ("name_digest", "claims", "claim_time")
    acts = (
        Act(
            name="unlock",
            call="user/unlock",
            label=_("Unlock"),
            question=_("The failures of this name are forgotten, from whatever address they came."),
            done=_("The name may log in again."),
            do=_unlock,
            leaves=True,
        ),
    )
