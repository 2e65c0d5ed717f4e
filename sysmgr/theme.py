"""The admin's theme: django-unfold's classes, under the types of the Django classes that they extend.

django-unfold has no type hints; everything of it that this project's code names is named here, once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite, ModelAdmin, TabularInline
    from django.forms import (
        CheckboxInput,
        CheckboxSelectMultiple,
        EmailInput,
        FileInput,
        NumberInput,
        PasswordInput,
        Select,
        Textarea,
        TextInput,
    )
else:
    from unfold.admin import ModelAdmin, TabularInline
    from unfold.sites import UnfoldAdminSite as AdminSite
    from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget as CheckboxSelectMultiple
    from unfold.widgets import UnfoldAdminEmailInputWidget as EmailInput
    from unfold.widgets import UnfoldAdminFileFieldWidget as FileInput
    from unfold.widgets import UnfoldAdminIntegerFieldWidget as NumberInput
    from unfold.widgets import UnfoldAdminPasswordWidget as PasswordInput
    from unfold.widgets import UnfoldAdminSelectWidget as Select
    from unfold.widgets import UnfoldAdminTextareaWidget as Textarea
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInput
    from unfold.widgets import UnfoldBooleanWidget as CheckboxInput

__all__ = [
    "AdminSite",
    "CheckboxInput",
    "CheckboxSelectMultiple",
    "EmailInput",
    "FileInput",
    "ModelAdmin",
    "NumberInput",
    "PasswordInput",
    "Select",
    "TabularInline",
    "TextInput",
    "Textarea",
]
