"""The page of the SNMP section: its targets as a list of small forms, stored whole by the service."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import AdminForm
from django.forms.formsets import DELETION_FIELD_NAME, BaseFormSet, formset_factory
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from settings_app.models import SnmpSettings, SnmpTarget
from settings_app.sections import SNMP_KEYS, SNMP_SECRETS, render_section
from settings_app.snmp import MAX_TARGETS
from sysmgr.crypto import MASK

from .base import SectionAdmin
from .forms import CLEAR, SecretsMixin, SectionForm, clear_field, secret_field


class TargetForm(SecretsMixin, forms.ModelForm[SnmpTarget]):
    """One target; its rules are the service's, which sees the whole list."""

    secrets = SNMP_SECRETS
    community = secret_field()
    community_clear = clear_field()
    auth_password = secret_field()
    auth_password_clear = clear_field()
    priv_password = secret_field()
    priv_password_clear = clear_field()

    class Meta:
        model = SnmpTarget
        fields = [key for key in SNMP_KEYS if key not in SNMP_SECRETS]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.prepare_secrets([name for name in self.secrets if self.initial.pop(name, "")])

    def clean(self) -> dict[str, Any]:
        """Refuse what contradicts itself."""
        self.check_secrets()
        return self.cleaned_data

    def _post_clean(self) -> None:
        """Fill no row: the list is replaced whole."""

    def value(self) -> dict[str, Any]:
        """Return the target's documented JSON; the mask keeps a stored secret."""
        found = {}
        for key in SNMP_KEYS:
            typed = self.typed_secret(key) if key in self.secrets else self.cleaned_data[key]
            found[key] = (MASK if key in self.stored else "") if typed is None else typed
        return found

    def lines(self) -> list[str]:
        """Return the form's fields, each checkbox behind the secret that it clears."""
        names = [name for key in SNMP_KEYS for name in (key, key + CLEAR)] + [DELETION_FIELD_NAME]
        return [name for name in names if name in self.fields]


Targets: type[BaseFormSet[TargetForm]] = formset_factory(
    TargetForm,
    extra=2,
    max_num=MAX_TARGETS,
    absolute_max=MAX_TARGETS + 1,  # so many are drawn at most, whatever number a page sends back
    validate_max=True,
    can_delete=True,
    can_delete_extra=False,
)


class SnmpForm(SectionForm):
    """The list of targets and nothing else: null becomes a list with its first change."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.former: list[dict[str, Any]] = render_section(self.instance)["snmps"] or []
        self.targets = Targets(self.data if self.is_bound else None, initial=self.former, prefix="targets")

    def clean(self) -> dict[str, Any]:
        """Check each target by itself."""
        # Fewer forms than the page showed are a broken page: who removes a target ticks its box.
        if not self.targets.is_valid():
            self._point_down()
        elif self.targets.total_form_count() < self.targets.initial_form_count():
            self.add_error(None, gettext("The page arrived incomplete. Load it again."))
        return super().clean()

    def _kept(self) -> list[TargetForm]:
        unused = [form for form in self.targets.extra_forms if not form.has_changed()]
        return [form for form in self.targets.forms if form not in [*unused, *self.targets.deleted_forms]]

    def changes(self) -> dict[str, Any]:
        """Return the whole list when anything in it changed."""
        wanted = [form.value() for form in self._kept()]
        return {} if wanted == self.former else {"snmps": wanted}

    def place(self, key: str, text: str) -> None:
        """Show the text in the target at fault."""
        found = re.fullmatch(r"snmps\[(\d+)\]\.(\w+)", key)
        if found is None:
            super().place(key, text)
            return
        form = self._kept()[int(found[1])]
        form.add_error(found[2] if found[2] in form.fields else None, text)
        self._point_down()

    def _point_down(self) -> None:
        text = gettext("Something is wrong with the targets below.")
        if text not in self.non_field_errors():
            self.add_error(None, text)

    def typed_secrets(self) -> bool:
        """Tell whether a target's secret was typed."""
        return any(form.data.get(form.add_prefix(key)) for form in self.targets.forms for key in form.secrets)

    def ask_again(self) -> None:
        """Ask for the secrets of each target again."""
        for form in self.targets.forms:
            form.ask_again()


@admin.register(SnmpSettings)
class SnmpSettingsAdmin(SectionAdmin):
    form = SnmpForm
    change_form_template = "admin/settings_app/snmpsettings/change_form.html"
    shown = ("target_list",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[tuple[Any, Any]]:
        """Leave the inputs to the targets' own forms."""
        return [fieldset for fieldset in super().get_fieldsets(request, obj) if fieldset[1]["fields"]]

    def input_names(self, obj: Any) -> list[str]:
        """Return none: the section has no column that people set."""
        return []

    @admin.display(description=_("SNMP targets"))
    def target_list(self, row: SnmpSettings) -> SafeString | str:
        """Return one target a line, without secrets."""
        lines = [
            (target.name, target.version, target.host, target.port, "" if target.enabled else gettext("(off)"))
            for target in row.targets.all()
        ]
        return format_html_join("", "{} ({}) {} {} {}<br>", lines) or "-"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Give the template the targets' forms in the shape in which it shows fieldsets."""
        form: SnmpForm = context["adminform"].form
        if self.has_change_permission(request):
            context["targets"] = form.targets
            context["target_forms"] = [self._as_fieldset(target) for target in form.targets]
        return super().render_change_form(request, context, *args, **kwargs)

    def _as_fieldset(self, form: TargetForm) -> AdminForm:
        name = form.initial.get("name") or gettext("New target")
        return AdminForm(form, [(name, {"fields": form.lines()})], {}, (), model_admin=self)
