"""The form of the admin's log-in page: the API's log-in, with its refusals as messages of the page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from sysmgr.admin import in_chinese
from sysmgr.api.gate import client_address
from sysmgr.errors import SysmgrError
from sysmgr.theme import PasswordInput, TextInput

from . import sessions
from .login import Attempt, log_in


class LoginForm(AdminAuthenticationForm):
    """Name, password and, for those who have a second factor, its code."""

    username = forms.CharField(
        label=_("User name"), max_length=255, widget=TextInput(attrs={"autofocus": True, "autocomplete": "username"})
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=255,
        widget=PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    otp = forms.CharField(
        label=_("One-time code, if you use one"),
        required=False,
        max_length=64,
        widget=TextInput(attrs={"autocomplete": "one-time-code"}),
    )
    request: HttpRequest

    def clean(self) -> dict[str, Any]:
        """Let the user in, or say why not. The token waits on the request for the session that begins."""
        given = self.cleaned_data
        if self.errors:  # a field was refused: nobody comes in with what is left of the form
            return given
        attempt = Attempt(
            user_name=given["username"],
            password=given["password"],
            door="admin",
            source=client_address(self.request),
            request_id=getattr(self.request, "request_id", ""),
            otp=given.get("otp", ""),
        )
        try:
            entered = log_in(attempt)
        except SysmgrError as error:
            raise ValidationError(error.text_cn if in_chinese() else error.text, code="refused") from None
        sessions.leave(self.request)
        self.user_cache = entered.user
        self.request.login_token = entered.token  # type: ignore[attr-defined]
        self.request.login_notices = entered.notices  # type: ignore[attr-defined]
        return given
