"""The admin door of keys for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sysmgr.acts import Act, ActingAdmin, own_page, tell
from sysmgr.admin import actor_of, in_chinese
from sysmgr.errors import SysmgrError
from sysmgr.theme import Select, Textarea, TextInput

from . import keys
from .models import ApiKey, Role, User
from .session_admin import as_uuid

MINE = "admin:accounts_apikey_mine"


class KeyForm(forms.Form):
    """What a new key shall be."""

    name = forms.CharField(label=_("name"), required=False, max_length=64, widget=TextInput)
    role = forms.ChoiceField(label=_("role"), choices=Role.choices, widget=Select)
    expire_time = forms.DateTimeField(
        label=_("expires"),
        required=False,
        widget=TextInput,
        help_text=_("UTC, as in 2027-01-31 12:00; empty: until it is removed."),
    )
    ranges = forms.CharField(
        label=_("source ranges"),
        required=False,
        widget=Textarea(attrs={"rows": 3}),
        help_text=_("One address, CIDR or a-b a line; empty: from everywhere."),
    )


def mine(request: HttpRequest) -> HttpResponse:
    """Show the user's own keys, and remove one of them."""
    user = request.user
    assert isinstance(user, User)
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    if request.method == "POST":
        try:
            keys.remove_key(as_uuid(request.POST.get("key", "")), user.pk, actor_of(request))
            messages.success(request, gettext("The key was removed."))
        except SysmgrError as error:
            messages.error(request, error.text_cn if in_chinese() else error.text)
        return HttpResponseRedirect(reverse(MINE))
    rows = ApiKey.objects.filter(user=user).order_by("-create_time")
    heads = [gettext("name"), gettext("role"), gettext("created"), gettext("last used"), gettext("expires")]
    context = {"rows": rows, "heads": heads, "remove": gettext("Remove"), "make": gettext("Make a key")}
    return own_page(request, "admin/accounts/my_keys.html", _("My keys"), **context)


def create(request: HttpRequest) -> HttpResponse:
    """Make a key for oneself, and show it in this one answer."""
    user = request.user
    assert isinstance(user, User)
    form = KeyForm(request.POST if request.method == "POST" else None, initial={"role": user.role})
    context: dict[str, Any] = {"form": form, "label": gettext("Make a key"), "cancel": gettext("Cancel")}
    if form.is_bound and form.is_valid():
        given = form.cleaned_data
        end = given["expire_time"]
        wanted = keys.Wanted(
            name=given["name"],
            role=given["role"],
            expire_time=int(end.timestamp()) if end else None,
            ranges=[line.strip() for line in given["ranges"].splitlines() if line.strip()],
        )
        try:
            context["clear"], _key = keys.create_key(user.pk, wanted, actor_of(request))
            context |= {"told": gettext("This key is shown only now."), "go_on": gettext("I have kept it")}
        except SysmgrError as error:
            tell(form, error)
    response = own_page(request, "admin/accounts/key_made.html", _("Make a key"), back=reverse(MINE), **context)
    add_never_cache_headers(response)
    return response


def _remove(request: HttpRequest, key: ApiKey, given: Mapping[str, Any]) -> None:
    keys.remove_key(key.pk, None, actor_of(request))


class ApiKeyAdmin(ActingAdmin[ApiKey]):
    """All keys, for those who may see users; everybody's own are on a page of their own."""

    list_display = ["user", "name", "role", "create_time", "last_used_time", "expire_time", "legacy"]
    list_display_links = ["create_time"]
    list_select_related = ["user"]
    search_fields = ["user__user_name", "name"]
    ordering = ["-create_time"]
    hidden = ("digest",)
    acts = (
        Act(
            name="remove",
            call="user/key/remove",
            label=_("Remove"),
            question=_("Programs that use the key are refused at once."),
            done=_("The key was removed."),
            do=_remove,
            danger=True,
            leaves=True,
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        """Add everybody's own pages, whoever may see the list."""
        guarded = self.admin_site.admin_view
        own = [
            path("mine/", guarded(mine), name="accounts_apikey_mine"),
            path("mine/create/", guarded(create), name="accounts_apikey_create"),
        ]
        return [*own, *super().get_urls()]
