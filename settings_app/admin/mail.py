"""The page of the mail section: its password is written and never read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from settings_app.models import MailSetting
from settings_app.sections import columns

from .base import SectionAdmin
from .forms import CLEAR, SectionForm, clear_field, secret_field

_PASSWORD = "smtp_password"


class MailForm(SectionForm):
    """The nine mail keys."""

    secrets = (_PASSWORD,)
    smtp_password = secret_field()
    smtp_password_clear = clear_field()


@admin.register(MailSetting)
class MailSettingAdmin(SectionAdmin):
    form = MailForm
    list_display = ["cluster", "enabled", "smtp_server_ip", "smtp_server_port", "sender_mail"]
    shown = (*(name for name in columns(MailSetting) if name != _PASSWORD), "password_stored")

    def input_names(self, obj: Any) -> list[str]:
        """Offer to clear a password only where one is stored."""
        stored = obj is not None and obj.smtp_password
        return [*columns(MailSetting), *([_PASSWORD + CLEAR] if stored else [])]

    @admin.display(description=_("SMTP password is stored"), boolean=True)
    def password_stored(self, row: MailSetting) -> bool:
        """Return whether there is a password."""
        return bool(row.smtp_password)
