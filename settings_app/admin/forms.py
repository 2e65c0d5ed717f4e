"""The form of a section: it passes what the user changed to the service and shows a refusal in place."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, ClassVar

from django import forms
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext

from settings_app.errors import NobodyCouldEnter, WouldLockOut
from settings_app.models import SettingRevision
from settings_app.models.base import Section
from settings_app.preview import preview
from settings_app.sections import SECTIONS, columns
from settings_app.serializers import SettingUpdateInput
from settings_app.services import update_settings
from sysmgr.admin import in_chinese
from sysmgr.api import strict_json
from sysmgr.api.fields import validated
from sysmgr.audit.services import Actor
from sysmgr.errors import InvalidInput, Problem, SysmgrError
from sysmgr.theme import CheckboxInput, PasswordInput

from .change import controls, lockout_field, reason_field, within_field
from .origins import origins_of

SECTION_OF = {model: name for name, model in SECTIONS.items()}
CLEAR = "_clear"


def secret_field() -> forms.CharField:
    """Return the input of a secret: what was typed is never sent back to the page."""
    widget = PasswordInput(render_value=False, attrs={"autocomplete": "new-password"})
    return forms.CharField(required=False, strip=False, max_length=255, widget=widget)


def clear_field() -> forms.BooleanField:
    """Return the checkbox that removes a stored secret."""
    return forms.BooleanField(required=False, widget=CheckboxInput)


class SecretsMixin:
    """Write-only secrets of a form: empty keeps the stored one, `<name>_clear` removes it."""

    secrets: ClassVar[tuple[str, ...]] = ()
    fields: dict[str, forms.Field]
    cleaned_data: dict[str, Any]

    def prepare_secrets(self, stored: Collection[str]) -> None:
        """Say which secrets are stored, and offer to clear only those."""
        self.stored = frozenset(stored)
        for name in self.secrets:
            field, label = self.fields[name], capfirst(self._label(name))
            field.label = label
            field.help_text = (
                gettext("One is stored; empty keeps it.") if name in stored else gettext("None is stored.")
            )
            if name in stored:
                self.fields[name + CLEAR].label = gettext("Clear the stored value: %(name)s") % {"name": label}
            else:
                del self.fields[name + CLEAR]

    def _label(self, name: str) -> str:
        model = self._meta.model  # type: ignore[attr-defined]
        return str(model._meta.get_field(name).verbose_name)

    def typed_secret(self, name: str) -> str | None:
        """Return the secret to store, `""` to clear it, None to leave it as it is."""
        typed: str = self.cleaned_data.get(name, "")
        return typed or ("" if self.cleaned_data.get(name + CLEAR) else None)

    def check_secrets(self) -> None:
        """Refuse a secret that is typed and cleared at once."""
        for name in self.secrets:
            if self.cleaned_data.get(name) and self.cleaned_data.get(name + CLEAR):
                self.add_error(name, gettext("Type a new one or clear the stored one, not both."))

    def ask_again(self) -> None:
        """Say beside each typed secret that it must be typed again: the page that shows an error has lost it."""
        for name in self.secrets:
            if name in self.fields and self.data.get(self.add_prefix(name)):  # type: ignore[attr-defined]
                self.add_error(name, gettext("Type it again: nothing was saved, and secrets are not sent back."))

    def add_error(self, field: str | None, error: Any) -> None:
        """Provided by the form."""
        super().add_error(field, error)  # type: ignore[misc]


class SectionForm(SecretsMixin, forms.ModelForm[Section]):
    """One section of one cluster. Its last check is the service, which stores the change when it finds nothing."""

    actor: ClassVar[Actor]
    revision: SettingRevision | None = None
    # What the change would do, when that was asked for instead of the change itself.
    previewed: dict[str, Any] | None = None
    if_revision = forms.IntegerField(widget=forms.HiddenInput)
    reason = reason_field()
    confirm_within_seconds = within_field()
    confirm_lockout = lockout_field(shown=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = SECTION_OF[type(self.instance)]
        # The admin's queryset reads it in the same SQL as the row, so it is never newer than what is shown.
        self.initial["if_revision"] = getattr(self.instance, "revision_number", None)
        self.prepare_secrets([name for name in self.secrets if getattr(self.instance, name)])
        for name in self.secrets:
            self.initial.pop(name, None)
        for name in columns(type(self.instance)):
            if name in self.fields:
                field = self.fields[name]
                path = f"{self.section}.{self.documented(name)}"
                where = f"{origins_of(self.instance.pk)}#{path}"
                field.help_text = format_html('{} <a href="{}"><code>{}</code></a>', field.help_text, where, path)
        if self.data.get("confirm_lockout"):
            self.offer_lockout()

    def offer_lockout(self) -> None:
        """Show the checkbox that lets the change shut its author out."""
        self.fields["confirm_lockout"].widget = CheckboxInput()

    def is_valid(self) -> bool:
        """Show the form again after a preview, too."""
        return super().is_valid() and self.previewed is None

    def documented(self, column: str) -> str:
        """Return the documented key of a column."""
        return column

    def changes(self) -> dict[str, Any]:
        """Return what the user changed, as the section's documented JSON."""
        found = {
            name: self.cleaned_data[name]
            for name in columns(type(self.instance))
            if name not in self.secrets and self.is_changed(name)
        }
        typed = {name: self.typed_secret(name) for name in self.secrets}
        return found | {name: value for name, value in typed.items() if value is not None}

    def is_changed(self, name: str) -> bool:
        """Tell whether the user changed a field; blanks around a text, which the form drops, are no change."""
        if name not in self.changed_data:
            return False
        initial = self.initial.get(name)
        return not isinstance(initial, str) or bool(self.cleaned_data[name] != initial.strip())

    def clean(self) -> dict[str, Any]:
        """Refuse what contradicts itself."""
        self.check_secrets()
        if "if_revision" in self.errors:
            self.add_error(None, gettext("This page does not say which revision it shows. Load it again."))
        return self.cleaned_data

    def _post_clean(self) -> None:
        """Store the change where a model form would check its row: here a refusal still shows the form again.

        The row itself is never filled from the form: the service has its own, under the cluster's lock.
        """
        if not self.errors:
            try:
                self._go()
            except SysmgrError as error:
                self._tell(error)
        if self.errors:
            self.ask_again()

    def _go(self) -> None:
        """Make the change, or tell what it would do."""
        changes, asked = self.changes(), "_preview" in self.data
        if not changes:
            self.previewed = {"changes": [], "effects": [], "refusals": []} if asked else None
            return
        # The API's own parser and input: what one door refuses, the other does not let in.
        body = json.dumps({self.section: changes, **controls(self.cleaned_data)})
        checked = validated(SettingUpdateInput, strict_json.loads(body.encode()))
        wanted = {self.section: checked.pop(self.section)}
        if asked:
            number = self.cleaned_data["if_revision"]
            self.previewed = preview(self.instance.cluster, wanted, self.actor, if_revision=number)
        else:
            self.revision = update_settings(self.instance.cluster, wanted, self.actor, **checked)

    def _tell(self, error: SysmgrError) -> None:
        """Put what is wrong beside the fields at fault, in the page's language."""
        if isinstance(error, InvalidInput):
            problems = error.problems
        elif isinstance(error, WouldLockOut):
            problems = [self._shut_out(error), *error.problems]
        else:
            problems = [Problem(error.field, error.text, error.text_cn)]
        for problem in problems:
            self.place(
                problem.path.removeprefix(self.section).removeprefix("."),
                capfirst(problem.message_cn if in_chinese() else problem.message),
            )

    def _shut_out(self, error: WouldLockOut) -> Problem:
        if isinstance(error, NobodyCouldEnter):
            said = gettext("This change can't be made, it would shut out more than you; see below.")
        else:
            said = gettext("This change would shut you out. Correct it, or say below that you want it all the same.")
            self.offer_lockout()
        return Problem("", said, said)

    def typed_secrets(self) -> bool:
        """Tell whether secrets were typed: the page that shows the form again has lost them."""
        return any(self.data.get(self.add_prefix(name)) for name in self.secrets)

    def place(self, key: str, text: str) -> None:
        """Show `text` at the field that holds the documented `key`, or above the form."""
        if key in self.fields and not self.fields[key].widget.is_hidden:
            self.add_error(key, text)
        else:
            self.add_error(None, text if key in ("", "if_revision") else f"{key}: {text}")
