"""The public page of a one-time link: shows a form, sets the password, and where it is asked for enrolls a factor.

Looking at it changes nothing: mail scanners do. Its address is in no log, because the random part is in the query.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from sysmgr.acts import tell
from sysmgr.admin import in_chinese
from sysmgr.api.envelope import failure_headers
from sysmgr.api.gate import client_address
from sysmgr.audit.refusals import refuse
from sysmgr.audit.services import Actor
from sysmgr.errors import InvalidInput, SysmgrError
from sysmgr.theme import PasswordInput, TextInput

from . import factor, factor_state, links, password_rules, passwords
from .factor import Enrolment
from .models import User
from .user_errors import LinkRefused

_TEMPLATE = "admin/accounts/password_link.html"


def new_password(label: Any) -> forms.CharField:
    """Return a field for a new password."""
    widget = PasswordInput(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=label, strip=False, max_length=passwords.MOST, widget=widget)


class LinkForm(forms.Form):
    """The password that a link's user sets."""

    password = new_password(_("New password"))
    again = new_password(_("New password (again)"))

    def clean(self) -> dict[str, Any]:
        """Refuse two passwords that differ."""
        if self.cleaned_data.get("password") != self.cleaned_data.get("again"):
            self.add_error("again", gettext("The two passwords differ."))
        return self.cleaned_data


class EnrolmentForm(forms.Form):
    """The code that proves that the authenticator has the secret."""

    otp = forms.CharField(label=_("Code"), max_length=64, widget=TextInput(attrs={"autocomplete": "one-time-code"}))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def password_link(request: HttpRequest) -> HttpResponse:
    """`/password?link=…`."""
    try:
        if request.method != "POST":
            return _asked(request)
        if "permit" in request.POST:
            return _enrolling(request, request.POST["permit"])
        return _set(request, request.POST.get("link", ""))
    except LinkRefused as error:
        refuse(_actor(request), "password.link", "unknown, used or expired")
        return _page(request, status=error.status, refused=error.text_cn if in_chinese() else error.text)


def _actor(request: HttpRequest, user: User | None = None) -> Actor:
    """Return who acts: nobody has logged in, so it is the user whose link it is."""
    named, key = (user.user_name, user.pk) if user else ("", None)
    return Actor(named, "link", client_address(request), getattr(request, "request_id", ""), user_uuid=key)


def _asked(request: HttpRequest) -> HttpResponse:
    clear = request.GET.get("link", "")
    link = links.find(clear, timezone.now())
    return _page(request, form=LinkForm(), link=clear, user_name=link.user.user_name)


def _set(request: HttpRequest, clear: str) -> HttpResponse:
    """Set the password, and go on to the second factor where one is asked for and there is none."""
    form = LinkForm(request.POST)
    user = links.find(clear, timezone.now()).user
    if not form.is_valid():
        return _page(request, form=form, link=clear, user_name=user.user_name)
    try:
        link = links.use(clear, form.cleaned_data["password"], _actor(request, user))
    except LinkRefused:
        raise
    except SysmgrError as error:
        tell(form, error)
        status = 200 if isinstance(error, InvalidInput) else error.status
        return _page(request, form=form, link=clear, user_name=user.user_name, status=status, error=error)
    policy = request.gate.policy  # type: ignore[attr-defined]
    if factor_state.is_asked(policy) and factor_state.confirmed(user) is None:
        return _begin(request, user, links.permit(link))
    return _page(request, done=True)


def _begin(request: HttpRequest, user: User, permit: str) -> HttpResponse:
    enrolment = factor.enroll(user, _actor(request, user))
    return _code(request, EnrolmentForm(), permit, enrolment)


def _enrolling(request: HttpRequest, permit: str) -> HttpResponse:
    """Confirm the second factor, or begin again with another secret."""
    user = links.permitted(permit)
    form = EnrolmentForm(request.POST)
    try:
        if "again" in request.POST:
            return _begin(request, user, permit)
        if not form.is_valid():
            return _code(request, form, permit)
        codes = factor.confirm(user, form.cleaned_data["otp"], _actor(request, user))
    except SysmgrError as error:
        form.errors.clear()
        tell(form, error)
        return _code(request, form, permit)
    return _page(request, done=True, recovery_codes=codes)


def _code(request: HttpRequest, form: forms.Form, permit: str, enrolment: Enrolment | None = None) -> HttpResponse:
    return _page(request, form=form, permit=permit, enrolment=enrolment)


def _page(request: HttpRequest, *, status: int = 200, error: SysmgrError | None = None, **context: Any) -> HttpResponse:
    site = admin.site
    request.current_app = site.name
    said = {"title": _("Set your password"), "texts": _texts(), "rules": password_rules.told()}
    headers = failure_headers(error) if error else {}
    frame = {**site.each_context(request), **said, **context}
    return TemplateResponse(request, _TEMPLATE, frame, status=status, headers=headers)


def _texts() -> dict[str, str]:
    return {
        "once": gettext("This link is good once. Set the password that you will log in with."),
        "set": gettext("Set the password"),
        "rules": gettext("The password:"),
        "done": gettext("Your password is set."),
        "log_in": gettext("Log in"),
        "factor": gettext("Your password is set. A second factor is asked for at log-in: enrol an authenticator now."),
        "scan": gettext("Scan this with your authenticator, or type the secret. It is shown only now."),
        "qr": gettext("QR code of the secret"),
        "begun": gettext(
            "An enrolment was begun and guards nothing yet. Enter the code that your authenticator shows."
        ),
        "confirm": gettext("Confirm"),
        "again": gettext("Start again with another secret"),
        "kept": gettext(
            "These recovery codes are shown only now. Keep them where you keep no phone: each stands in for the "
            "authenticator once."
        ),
    }
