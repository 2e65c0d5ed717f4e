"""The strict input of upgrades."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from cluster.models import ServiceType
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

_LATER = (
    "canary",
    "soak_seconds",
    "pause_after",
    "not_before",
    "not_after",
    "waive",
)


class MaxUnavailableInput(StrictSerializer):
    """How many hosts of each service type may be away at once."""

    cloud = StrictIntegerField(required=False, min_value=1, max_value=1000)
    compute = StrictIntegerField(required=False, min_value=1, max_value=1000)
    storage = StrictIntegerField(required=False, min_value=1, max_value=1000)


class OptionsInput(StrictSerializer):
    """The options of contract §4 that are there; the others are refused by name."""

    max_parallel = StrictIntegerField(required=False, min_value=1, max_value=100)
    max_unavailable = MaxUnavailableInput(required=False)
    fail_count = StrictIntegerField(required=False, min_value=1, max_value=10000)
    fail_percent = StrictIntegerField(required=False, min_value=1, max_value=100)
    on_threshold = StrictChoiceField(required=False, choices=["pause"])
    plan_fingerprint = StrictCharField(required=False)
    reason = StrictCharField(required=False, allow_blank=True)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Say "not there yet" of what is documented for later."""
        if isinstance(data, dict):
            text = bilingual("is not there yet", "尚未提供")
            later = {key: [text] for key in _LATER if key in data}
            if data.get("on_threshold") == "rollback":
                later["on_threshold"] = [text]
            if later:
                raise serializers.ValidationError(later)
        return super().to_internal_value(data)


class ItemInput(StrictSerializer):
    """One service of one host."""

    host_ip = StrictCharField()
    service_type = StrictCharField()
    version = StrictCharField(required=False)

    def validate_service_type(self, value: str) -> str:
        """Accept the services that sysmgr knows."""
        if value not in ServiceType.values:
            raise serializers.ValidationError(
                bilingual("must be cloud, compute or storage", "必须是 cloud、compute 或 storage")
            )
        return value


class RunInput(StrictSerializer):
    """A run that is meant."""

    upgrade_uuid = StrictUUIDField()
    cluster_uuid = StrictUUIDField(required=False)


class UpgradeInput(StrictSerializer):
    """Endpoint 8, and the plan of it."""

    list = StrictListField(child=ItemInput(), allow_empty=False)
    cluster_uuid = StrictUUIDField(required=False)
    options = OptionsInput(required=False)
    wait = StrictBooleanField(default=False)
