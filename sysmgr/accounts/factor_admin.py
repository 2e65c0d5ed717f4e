"""The admin door of the second factor: everybody's page of his own, and read-only lists of who has one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sysmgr.acts import Act, own_page, tell
from sysmgr.admin import ReadOnlyAdmin, actor_of
from sysmgr.errors import SysmgrError
from sysmgr.theme import TextInput

from . import factor, factor_state
from .models import RecoveryCode, SecondFactor, User

MINE = "admin:second_factor"


class CodeForm(forms.Form):
    """Asks for a code."""

    otp = forms.CharField(
        label=_("Code"), max_length=64, widget=TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True})
    )


def _texts() -> dict[str, str]:
    return {
        "none": gettext(
            "You have no second factor. Enrol an authenticator app: from then on its codes can be asked for at log-in."
        ),
        "enroll": gettext("Enrol an authenticator"),
        "again": gettext("Start again with another secret"),
        "scan": gettext("Scan this with your authenticator, or type the secret. It is shown only now."),
        "qr": gettext("QR code of the secret"),
        "begun": gettext(
            "An enrolment was begun and guards nothing yet. Enter the code that your authenticator shows."
        ),
        "confirm": gettext("Confirm"),
        "kept": gettext(
            "These recovery codes are shown only now. Keep them where you keep no phone: each stands in for the "
            "authenticator once."
        ),
        "back": gettext("I have kept them"),
        "confirmed": gettext("You have a second factor."),
        "left": gettext("Recovery codes left"),
        "remove_it": gettext("To remove it enter a code of your authenticator or a recovery code."),
        "remove": gettext("Remove it"),
    }


def mine(request: HttpRequest) -> HttpResponse:
    """Show the user's own second factor; enrol, confirm or remove it."""
    user = request.user
    assert isinstance(user, User)
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    act = request.POST.get("act") if request.method == "POST" else None
    form = CodeForm(request.POST if act in ("confirm", "remove") else None)
    try:
        if act == "enroll":
            return _page(request, user, CodeForm(), enrolment=factor.enroll(user, actor_of(request)))
        if form.is_bound and form.is_valid():
            otp = form.cleaned_data["otp"]
            if act == "confirm":
                return _page(request, user, CodeForm(), recovery_codes=factor.confirm(user, otp, actor_of(request)))
            factor.remove(user, otp, actor_of(request))
            messages.success(request, gettext("Your second factor was removed."))
            return HttpResponseRedirect(reverse(MINE))
    except SysmgrError as error:
        form = form if form.is_bound else CodeForm({})
        form.errors.clear()
        tell(form, error)
    return _page(request, user, form)


def _page(request: HttpRequest, user: User, form: forms.Form, **context: Any) -> HttpResponse:
    row = SecondFactor.objects.filter(user=user).first()
    confirmed = row is not None and row.confirmed_time is not None
    left = factor_state.codes_left(user) if confirmed else 0
    facts = {"begun": row is not None and not confirmed, "confirmed": confirmed, "left": left}
    shown = {"texts": _texts(), "form": form, **facts, **context}
    return own_page(request, "admin/accounts/my_factor.html", _("My second factor"), **shown)


@admin.register(SecondFactor)
class SecondFactorAdmin(ReadOnlyAdmin[SecondFactor]):
    list_display = ["user", "enroll_time", "confirmed_time"]
    list_select_related = ["user"]
    search_fields = ["user__user_name"]
    ordering = ["user__user_name"]
    hidden = ("secret", "last_step")


@admin.register(RecoveryCode)
class RecoveryCodeAdmin(ReadOnlyAdmin[RecoveryCode]):
    list_display = ["user", "used_time"]
    list_select_related = ["user"]
    search_fields = ["user__user_name"]
    ordering = ["user__user_name", "pk"]
    hidden = ("digest",)


def _reset(request: HttpRequest, user: User, given: Mapping[str, Any]) -> None:
    factor.reset(user, actor_of(request))


REMOVE = Act(
    name="reset_second_factor",
    call="user/update",
    label=_("Remove the second factor"),
    question=_(
        "For whoever lost the authenticator and the recovery codes. While a second factor is asked for, the user needs "
        "a one-time link then to come in again."
    ),
    done=_("The user has no second factor any more."),
    do=_reset,
    offered=lambda user: SecondFactor.objects.filter(user=user).exists(),
    danger=True,
)
