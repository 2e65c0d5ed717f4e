"""How a change is made at the admin's door: why, for how long on probation, and whether it may shut its author out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from sysmgr.theme import CheckboxInput, NumberInput, TextInput

CONTROLS = ("reason", "confirm_within_seconds", "confirm_lockout", "if_revision")


def reason_field() -> forms.CharField:
    """Return the input of the reason."""
    return forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=255,
        widget=TextInput,
        help_text=_("Kept with the revision; may stay empty."),
    )


def within_field() -> forms.IntegerField:
    """Return the input of the seconds after which an unconfirmed change is taken back; its bounds are the API's."""
    return forms.IntegerField(
        label=_("Take it back unless it is confirmed within (seconds)"),
        required=False,
        widget=NumberInput,
        help_text=_(
            "1 to 3600; empty: it stands at once. Until it is confirmed no other change of this cluster's settings "
            "can be made."
        ),
    )


def lockout_field(*, shown: bool) -> forms.BooleanField:
    """Return the checkbox that lets a change shut its author out."""
    return forms.BooleanField(
        label=_("Apply it although it shuts me out"),
        required=False,
        widget=CheckboxInput if shown else forms.HiddenInput,
        help_text=_("Best together with seconds above: then it is taken back by itself."),
    )


def controls(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a change is to be made as the API's body has it; what was left empty is left out."""
    found: dict[str, Any] = {"reason": given.get("reason") or ""}
    if given.get("if_revision") is not None:
        found["if_revision"] = given["if_revision"]
    if given.get("confirm_within_seconds") is not None:
        found["confirm_within_seconds"] = given["confirm_within_seconds"]
    if given.get("confirm_lockout"):
        found["confirm_lockout"] = True
    return found
