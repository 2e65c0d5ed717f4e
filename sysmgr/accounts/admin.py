"""The admin door of accounts: users without their password, tokens without their digest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sysmgr.acts import Act, ActingAdmin, Page, require, tell
from sysmgr.admin import ReadOnlyAdmin, actor_of
from sysmgr.errors import SysmgrError
from sysmgr.theme import CheckboxInput, EmailInput, PasswordInput, Select, TextInput

from .models import Role, Token, User
from .services import create_user
from .users import update_user


class UserForm(forms.Form):
    """What an administrator may change of a user."""

    role = forms.ChoiceField(label=_("role"), choices=Role.choices, widget=Select)
    email = forms.EmailField(label=_("e-mail address"), required=False, max_length=254, widget=EmailInput)
    is_active = forms.BooleanField(label=_("enabled"), required=False, widget=CheckboxInput)


def _password() -> PasswordInput:
    return PasswordInput(attrs={"autocomplete": "new-password"})


class NewUserForm(forms.Form):
    """A new user with a first password, which he is told and then changes himself."""

    user_name = forms.CharField(label=_("user name"), max_length=64, widget=TextInput)
    role = forms.ChoiceField(label=_("role"), choices=Role.choices, initial=Role.AUDITOR, widget=Select)
    email = forms.EmailField(label=_("e-mail address"), required=False, max_length=254, widget=EmailInput)
    password = forms.CharField(label=_("Password"), strip=False, max_length=255, widget=_password())
    again = forms.CharField(label=_("Password (again)"), strip=False, max_length=255, widget=_password())

    def clean(self) -> dict[str, Any]:
        """Refuse two passwords that differ."""
        if self.cleaned_data.get("password") != self.cleaned_data.get("again"):
            self.add_error("again", gettext("The two passwords differ."))
        return self.cleaned_data


def _update(request: HttpRequest, user: User, given: Mapping[str, Any]) -> None:
    update_user(user.pk, given, actor_of(request))


def _as_it_is(user: User) -> dict[str, Any]:
    return {"role": user.role, "email": user.email, "is_active": user.is_active}


@admin.register(User)
class UserAdmin(ActingAdmin[User]):
    list_display = ["user_name", "role", "email", "is_active", "last_login", "create_time"]
    list_filter = ["role", "is_active"]
    search_fields = ["user_name", "email"]
    ordering = ["user_name"]
    hidden = ("password", "last_password", "legacy_password")
    pages = (Page("create", "user/create", _("Add a user"), "create"),)
    acts = (
        Act(
            name="update",
            call="user/update",
            label=_("Change"),
            question=_("Who is switched off can't come in, and loses his tokens at once."),
            done=_("The user is as you set it."),
            do=_update,
            form=UserForm,
            initial=_as_it_is,
        ),
    )

    def create(self, request: HttpRequest) -> HttpResponse:
        """Add a user."""
        require(request, "user/create")
        form = NewUserForm(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            given = form.cleaned_data
            named = {"password": given["password"], "email": given["email"]}
            try:
                user, _file = create_user(given["user_name"], given["role"], actor_of(request), **named)
            except SysmgrError as error:
                tell(form, error)
            else:
                self.message_user(request, gettext("The user was added."), messages.SUCCESS)
                return HttpResponseRedirect(self.link("change", user.pk))
        said = {"label": gettext("Add"), "back": self.link("changelist")}
        return self.page(request, "admin/act.html", gettext("Add a user"), form=form, **said)


@admin.register(Token)
class TokenAdmin(ReadOnlyAdmin[Token]):
    list_display = ["user", "source", "create_time", "last_used_time", "expire_time"]
    list_display_links = ["source"]
    list_select_related = ["user"]
    search_fields = ["user__user_name", "source"]
    ordering = ["-last_used_time"]
    hidden = ("digest",)
