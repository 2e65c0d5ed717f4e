"""The strict input of what is done with revisions: confirmed, brought back."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from sysmgr.api.fields import (
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictListField,
    StrictSerializer,
    StrictUUIDField,
)
from sysmgr.errors import bilingual

from .sections import SECTIONS


class SecretsField(serializers.DictField):
    """{path of a secret: its clear text, or "" for none}."""

    child = StrictCharField(allow_blank=True)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the checked texts; a list or a string is no object."""
        if not isinstance(data, dict):
            raise serializers.ValidationError(bilingual("must be an object", "必须是对象"))
        found: dict[str, Any] = super().to_internal_value(data)
        return found


class SettingConfirmInput(StrictSerializer):
    """Let the change that waits stand, if it is still the one that the caller saw."""

    cluster_uuid = StrictUUIDField(required=False)
    if_revision = StrictIntegerField(required=False, min_value=0)


class RevisionRestoreInput(StrictSerializer):
    """Bring a revision back, whole or by sections."""

    revision = StrictIntegerField(min_value=1, max_value=2147483647)
    sections = StrictListField(
        child=StrictChoiceField(list(SECTIONS)), required=False, allow_empty=False, max_length=len(SECTIONS)
    )
    secrets = SecretsField(required=False)
    cluster_uuid = StrictUUIDField(required=False)
    if_revision = StrictIntegerField(required=False, min_value=0)
    reason = StrictCharField(required=False, allow_blank=True)
    confirm_lockout = StrictBooleanField(required=False)
    confirm_within_seconds = StrictIntegerField(required=False, min_value=1, max_value=3600)
