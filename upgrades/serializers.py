"""The strict input of upgrades."""

from __future__ import annotations

import time
from collections.abc import Sequence
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

from .limits import CANARY, WAIVABLE

_TWICE = bilingual("is there twice", "重复出现")
_LAST_SECOND = 253_402_300_799  # 9999-12-31: what a date can still show


class MaxUnavailableInput(StrictSerializer):
    """How many hosts of each service type may be away at once."""

    cloud = StrictIntegerField(required=False, min_value=1, max_value=1000)
    compute = StrictIntegerField(required=False, min_value=1, max_value=1000)
    storage = StrictIntegerField(required=False, min_value=1, max_value=1000)


class WaiverInput(StrictSerializer):
    """One named precheck of one host that a run passes over, and why."""

    host_ip = StrictCharField(max_length=45)
    check = StrictChoiceField(choices=list(WAIVABLE))
    reason = StrictCharField(max_length=200)


class OptionsInput(StrictSerializer):
    """The options of contract §4."""

    max_parallel = StrictIntegerField(required=False, min_value=1, max_value=100)
    max_unavailable = MaxUnavailableInput(required=False)
    canary = StrictIntegerField(required=False, min_value=0, max_value=1000)
    soak_seconds = StrictIntegerField(required=False, min_value=0, max_value=86_400)
    fail_count = StrictIntegerField(required=False, min_value=1, max_value=10000)
    fail_percent = StrictIntegerField(required=False, min_value=1, max_value=100)
    on_threshold = StrictChoiceField(required=False, choices=["pause", "rollback"])
    pause_after = StrictListField(child=StrictCharField(max_length=45), required=False, max_length=1000)
    not_before = StrictIntegerField(required=False, min_value=0, max_value=_LAST_SECOND)
    not_after = StrictIntegerField(required=False, min_value=0, max_value=_LAST_SECOND)
    waive = StrictListField(child=WaiverInput(), required=False, max_length=1000)
    plan_fingerprint = StrictCharField(required=False)
    reason = StrictCharField(required=False, allow_blank=True)

    def validate_not_after(self, value: int) -> int:
        """Refuse a window that is over."""
        if value <= time.time():
            raise serializers.ValidationError(bilingual("is over already", "已经过去"))
        return value

    def validate_waive(self, value: list[dict[str, str]]) -> list[dict[str, str]]:
        """Refuse two waivers of one check."""
        pairs = [(one["host_ip"], one["check"]) for one in value]
        _refuse_twice(pairs)
        return value

    def validate_pause_after(self, value: list[str]) -> list[str]:
        """Refuse the same point twice."""
        _refuse_twice(value)
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse options that contradict each other."""
        if attrs.get("not_before", 0) >= attrs.get("not_after", _LAST_SECOND + 1):
            raise serializers.ValidationError(
                {"not_after": [bilingual("must be later than not_before", "必须晚于 not_before")]}
            )
        if CANARY in attrs.get("pause_after", ()) and attrs.get("canary") == 0:
            raise serializers.ValidationError(
                {"pause_after": [bilingual("names the canary, but there is none", "指定了 canary，但未启用")]}
            )
        return attrs


def _refuse_twice(values: Sequence[Any]) -> None:
    twice = {place: [_TWICE] for place, value in enumerate(values) if value in values[:place]}
    if twice:
        raise serializers.ValidationError(twice)  # type: ignore[arg-type]


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


class RetryInput(RunInput):
    """upgrade/retry; `force` also tries what failed for a definite reason or was left out with one."""

    force = StrictBooleanField(default=False)


class SkipInput(RunInput):
    """upgrade/skip."""

    host_ip = StrictCharField(max_length=45)
    reason = StrictCharField(max_length=200)


class WaiveInput(SkipInput):
    """upgrade/waive."""

    check = StrictChoiceField(choices=list(WAIVABLE))


class UpgradeInput(StrictSerializer):
    """Endpoint 8, and the plan of it."""

    list = StrictListField(child=ItemInput(), allow_empty=False)
    cluster_uuid = StrictUUIDField(required=False)
    options = OptionsInput(required=False)
    wait = StrictBooleanField(default=False)
