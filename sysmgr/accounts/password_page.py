"""The admin's page that changes one's own password: the first one that is shown where it must be changed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from sysmgr.acts import tell
from sysmgr.admin import actor_of, in_chinese
from sysmgr.api.envelope import failure_headers
from sysmgr.errors import InvalidInput, Problem, SysmgrError
from sysmgr.theme import PasswordInput

from . import password_rules, password_state, passwords
from .link_page import new_password
from .models import User


class PasswordForm(forms.Form):
    """The old password, and the new one twice."""

    old_password = forms.CharField(
        label=_("Old password"),
        strip=False,
        max_length=passwords.MOST,
        widget=PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )
    new_password1 = new_password(_("New password"))
    new_password2 = new_password(_("New password (again)"))

    def clean(self) -> dict[str, Any]:
        """Refuse two passwords that differ."""
        if self.cleaned_data.get("new_password1") != self.cleaned_data.get("new_password2"):
            self.add_error("new_password2", gettext("The two passwords differ."))
        return self.cleaned_data


@never_cache
@sensitive_post_parameters()
def change(request: HttpRequest) -> HttpResponse:
    """`/admin/password_change/`."""
    user = request.user
    assert isinstance(user, User)
    form = PasswordForm(request.POST if request.method == "POST" else None)
    refused: SysmgrError | None = None
    if form.is_bound and form.is_valid():
        given = form.cleaned_data
        try:
            passwords.change_own(actor_of(request), given["old_password"], given["new_password1"])
        except InvalidInput as error:
            tell(form, InvalidInput(_moved(problem) for problem in error.problems))
        except SysmgrError as error:
            refused = error
            tell(form, error)
        else:
            request.session.cycle_key()
            messages.success(request, gettext("Your password was changed; your other log-ins have ended."))
            return HttpResponseRedirect(reverse("admin:index"))
    return _page(request, user, form, refused)


def _moved(problem: Problem) -> Problem:
    """Put what the API says of `new_password` beside this form's input."""
    path = "new_password1" if problem.path == "new_password" else problem.path
    return Problem(path, problem.message, problem.message_cn)


def _page(request: HttpRequest, user: User, form: forms.Form, refused: SysmgrError | None) -> HttpResponse:
    policy = request.gate.policy.password  # type: ignore[attr-defined]
    reason = password_state.why(user, policy, timezone.now())
    told = (reason.message_cn if in_chinese() else reason.message) if reason else ""
    texts = {"rules": gettext("The password:")}
    request.current_app = admin.site.name
    frame = {**admin.site.each_context(request), "title": _("Change your password"), "form": form, "texts": texts}
    said = {"reason": told, "rules": password_rules.told(), "label": _("Change the password"), "cancel": _("Cancel")}
    return TemplateResponse(
        request,
        "admin/accounts/password_change.html",
        {**frame, **said, "back": reverse("admin:index")},
        # A form that is to be corrected is no failure; a lock is one that clients of any kind should see.
        status=refused.status if refused and refused.retry_after else 200,
        headers=failure_headers(refused) if refused else {},
    )
