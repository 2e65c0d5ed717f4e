"""The admin door of accounts: users without their password, tokens without their digest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sysmgr.acts import Act, ActingAdmin, Page, require
from sysmgr.admin import ReadOnlyAdmin, actor_of
from sysmgr.theme import CheckboxInput, EmailInput, Select, TextInput

from .factor_admin import REMOVE as REMOVE_FACTOR
from .key_admin import ApiKeyAdmin
from .link_page import new_password
from .login_form import LoginForm
from .models import ApiKey, LoginGuard, PasswordLink, Role, Token, User
from .session_admin import LoginGuardAdmin, TokenAdmin
from .users import LINK, Account, NewPassword, create_user, remove_user, update_user

admin.site.login_form = LoginForm
admin.site.register(Token, TokenAdmin)
admin.site.register(LoginGuard, LoginGuardAdmin)
admin.site.register(ApiKey, ApiKeyAdmin)


class UserForm(forms.Form):
    """What an administrator may change of a user."""

    role = forms.ChoiceField(label=_("role"), choices=Role.choices, widget=Select)
    email = forms.EmailField(label=_("e-mail address"), required=False, max_length=254, widget=EmailInput)
    is_active = forms.BooleanField(label=_("enabled"), required=False, widget=CheckboxInput)
    must_change_password = forms.BooleanField(label=_("must change the password"), required=False, widget=CheckboxInput)


class TypedPassword(forms.Form):
    """A password that an administrator makes up, twice."""

    password = new_password(_("Password"))
    again = new_password(_("Password (again)"))

    def clean(self) -> dict[str, Any]:
        """Refuse two passwords that differ."""
        if self.cleaned_data.get("password") != self.cleaned_data.get("again"):
            self.add_error("again", gettext("The two passwords differ."))
        return self.cleaned_data


class NewUserForm(TypedPassword):
    """A new user, who sets a password through a one-time link unless one is typed here."""

    user_name = forms.CharField(label=_("user name"), max_length=64, widget=TextInput)
    role = forms.ChoiceField(label=_("role"), choices=Role.choices, initial=Role.AUDITOR, widget=Select)
    email = forms.EmailField(label=_("e-mail address"), required=False, max_length=254, widget=EmailInput)
    field_order = ("user_name", "role", "email", "password", "again")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("password", "again"):
            self.fields[name].required = False
        self.fields["password"].help_text = _("Leave it empty, and the user gets a one-time link to set one.")


def _update(request: HttpRequest, user: User, given: Mapping[str, Any]) -> None:
    update_user(user.pk, given, actor_of(request))


def _as_it_is(user: User) -> dict[str, Any]:
    return {key: getattr(user, key) for key in UserForm.base_fields}


def _set_password(request: HttpRequest, user: User, given: Mapping[str, Any]) -> None:
    update_user(user.pk, {}, actor_of(request), password=NewPassword(given["password"]))


def _remove(request: HttpRequest, user: User, given: Mapping[str, Any]) -> None:
    remove_user(user.pk, actor_of(request))


def _link(request: HttpRequest, user: User, given: Mapping[str, Any]) -> HttpResponse:
    return _hand_over(request, update_user(user.pk, {}, actor_of(request), password=LINK))


def _hand_over(request: HttpRequest, account: Account) -> HttpResponse:
    """Show a link that was not mailed, in this answer only: a message would lie in the session until it is read."""
    page: Any = admin.site.get_model_admin(User)
    back = page.link("change", account.user.pk)
    if account.link is None:
        messages.success(request, gettext("A one-time link was mailed to the user."))
        return HttpResponseRedirect(back)
    texts = {
        "once": gettext(
            "Hand this one-time link over to the user. It is shown only now, is good once and for 24 hours, and ends "
            "all earlier ones."
        ),
        "back": gettext("I have kept it"),
    }
    title = gettext("One-time link for %(name)s") % {"name": account.user.user_name}
    answer: HttpResponse = page.page(
        request, "admin/accounts/link_made.html", title, link_made=account.link, back=back, texts=texts
    )
    add_never_cache_headers(answer)
    return answer


@admin.register(User)
class UserAdmin(ActingAdmin[User]):
    list_display = ["user_name", "role", "email", "is_active", "must_change_password", "last_login", "create_time"]
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
        Act(
            name="password_link",
            call="user/update",
            label=_("Make a one-time link"),
            question=_(
                "By it the user sets a new password; the present one works until then. It is mailed, or shown here "
                "once."
            ),
            do=_link,
        ),
        Act(
            name="set_password",
            call="user/update",
            label=_("Set a password"),
            question=_("The user must change it at the next log-in; tokens of now end at once."),
            done=_("The password was set."),
            do=_set_password,
            form=TypedPassword,
        ),
        REMOVE_FACTOR,
        Act(
            name="remove",
            call="user/remove",
            label=_("Remove"),
            question=_("Tokens, keys, links and uploads of the user go too; the audit keeps the name."),
            done=_("The user was removed."),
            do=_remove,
            danger=True,
            leaves=True,
        ),
    )

    def create(self, request: HttpRequest) -> HttpResponse:
        """Add a user."""
        require(request, "user/create")
        form = NewUserForm(request.POST if request.method == "POST" else None)

        def add(given: Mapping[str, Any]) -> HttpResponse:
            password = NewPassword(given["password"] or None)
            named = (given["user_name"], given["role"], actor_of(request))
            account = create_user(*named, email=given["email"], password=password)
            self.message_user(request, gettext("The user was added."), messages.SUCCESS)
            if not given["password"]:
                return _hand_over(request, account)
            return HttpResponseRedirect(self.link("change", account.user.pk))

        said = {"label": gettext("Add"), "back": self.link("changelist")}
        return self.ask(request, form, add, gettext("Add a user"), **said)


@admin.register(PasswordLink)
class PasswordLinkAdmin(ReadOnlyAdmin[PasswordLink]):
    list_display = ["user", "create_time", "expire_time", "used_time"]
    list_select_related = ["user"]
    search_fields = ["user__user_name"]
    ordering = ["-create_time"]
    hidden = ("digest",)
