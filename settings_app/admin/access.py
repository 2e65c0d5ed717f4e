"""The page of access control: one address range a line, the time windows as JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from settings_app.models import AccessControlPolicy
from settings_app.serializers import TimePolicyInput
from sysmgr.admin import in_chinese, pretty
from sysmgr.api import strict_json
from sysmgr.errors import InvalidInput, MalformedBody
from sysmgr.theme import Textarea

from .base import SectionAdmin
from .forms import SectionForm

_DOCUMENTED = {
    "ip_enabled": "ip_access_control_policy.enabled",
    "ip_whitelist": "ip_access_control_policy.whitelist",
    "ip_ranges": "ip_access_control_policy.ip_ranges.ranges",
    "time_policy": "time_access_control_policy",
}
_EXAMPLE = (
    '{"enabled": true, "time_zone": "Asia/Shanghai", "whitelist": true, '
    '"windows": [{"days": [1, 2, 3, 4, 5], "start": "08:00", "end": "18:00"}]}'
)
_KEYS = tuple(TimePolicyInput().fields)


class AccessControlForm(SectionForm):
    """The four inputs of access control."""

    instance: AccessControlPolicy

    ip_ranges = forms.CharField(
        label=_("Address ranges"),
        required=False,
        widget=Textarea(attrs={"rows": 8}),
        help_text=_("One a line: an address, a CIDR or a range a-b; at most 1000."),
    )
    time_policy = forms.CharField(
        label=_("Time windows"),
        required=False,
        widget=Textarea(attrs={"rows": 12, "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["ip_ranges"] = "\n".join(self.instance.ip_ranges)
        stored = self.instance.time_policy
        self.initial["time_policy"] = "" if stored is None else json.dumps(stored, ensure_ascii=False, indent=2)
        hint = gettext("JSON; empty: no limit by time. Days run from 1, Monday, to 7. Example: %(example)s")
        field = self.fields["time_policy"]
        field.help_text = format_html_join("", "{} {}", [(hint % {"example": _EXAMPLE}, field.help_text)])

    def documented(self, column: str) -> str:
        """Return the documented key of a column."""
        return _DOCUMENTED[column]

    def clean_ip_ranges(self) -> list[str]:
        """Return the lines that hold something; which line each was is kept for errors."""
        lines = [line.strip() for line in self.cleaned_data["ip_ranges"].splitlines()]
        self.numbered = [(number, line) for number, line in enumerate(lines, 1) if line]
        return [line for number, line in self.numbered]

    def clean_time_policy(self) -> dict[str, Any] | None:
        """Return the policy that the text holds; it must be whole, so that what is shown is what is stored."""
        text: str = self.cleaned_data["time_policy"]
        if not text:
            return None
        try:
            policy = strict_json.loads(text.encode("utf-8", "surrogatepass"))
        except MalformedBody as error:
            raise ValidationError(capfirst(error.params["reason_cn" if in_chinese() else "reason"])) from None
        except InvalidInput as error:
            said = [f"{p.path}: {p.message_cn if in_chinese() else p.message}" for p in error.problems]
            raise ValidationError(said) from None
        missing = [key for key in _KEYS if key not in policy]
        if missing:
            raise ValidationError(gettext("These keys are missing: %(keys)s") % {"keys": ", ".join(missing)})
        return policy

    def changes(self) -> dict[str, Any]:
        """Return what the user changed, as the section's documented JSON."""
        given, stored = self.cleaned_data, self.instance
        ip: dict[str, Any] = {}
        if given["ip_enabled"] != stored.ip_enabled:
            ip["enabled"] = given["ip_enabled"]
        if given["ip_whitelist"] != stored.ip_whitelist:
            ip["whitelist"] = given["ip_whitelist"]
        if given["ip_ranges"] != stored.ip_ranges:
            ip["ip_ranges"] = {"ranges": given["ip_ranges"]}
        found: dict[str, Any] = {"ip_access_control_policy": ip} if ip else {}
        if given["time_policy"] != stored.time_policy:
            found["time_access_control_policy"] = given["time_policy"]
        return found

    def place(self, key: str, text: str) -> None:
        """Name the line of a bad range, and the key inside a bad policy."""
        for column, documented in _DOCUMENTED.items():
            if key == column or key.startswith(documented):
                inner = key.removeprefix(column).removeprefix(documented)
                self.add_error(column, self._inside(inner) + text)
                return
        super().place(key, text)

    def _inside(self, inner: str) -> str:
        item = re.fullmatch(r"\[(\d+)\]", inner)
        if item:
            number, line = self.numbered[int(item[1])]
            return gettext("Line %(number)d (%(line)s): ") % {"number": number, "line": line}
        return f"{inner.lstrip('.')}: " if inner else ""


@admin.register(AccessControlPolicy)
class AccessControlPolicyAdmin(SectionAdmin):
    form = AccessControlForm
    list_display = ["cluster", "ip_enabled", "ip_whitelist"]
    shown = ("ip_enabled", "ip_whitelist", "range_lines", "windows")

    @admin.display(description=_("address ranges"))
    def range_lines(self, row: AccessControlPolicy) -> SafeString:
        """Return one range a line."""
        return format_html_join("", "{}<br>", ((line,) for line in row.ip_ranges))

    @admin.display(description=_("time windows"))
    def windows(self, row: AccessControlPolicy) -> SafeString | str:
        """Return the policy as indented JSON."""
        return "-" if row.time_policy is None else pretty(row.time_policy)
