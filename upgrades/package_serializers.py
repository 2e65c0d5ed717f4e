"""The strict input of the package store and of its trusted keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from sysmgr.api.fields import (
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
    StrictUUIDField,
)
from sysmgr.errors import SysmgrError, bilingual

from .package.sign import load_public_key

_LATEST = 253_402_300_799  # the end of the year 9999, the last that a datetime holds


class PackageInput(StrictSerializer):
    """A package of a cluster, and why something is done to it."""

    package_name = StrictCharField()
    reason = StrictCharField(default="", allow_blank=True)
    cluster_uuid = StrictUUIDField(required=False)


class _ScopeInput(StrictSerializer):
    cluster_uuid = StrictUUIDField(required=False)
    all_clusters = StrictBooleanField(default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse one cluster and all of them at once."""
        if attrs["all_clusters"] and "cluster_uuid" in attrs:
            text = bilingual("can't be true where cluster_uuid names one", "指定 cluster_uuid 时不得为 true")
            raise serializers.ValidationError({"all_clusters": [text]})
        return attrs


class TrustAddInput(_ScopeInput):
    """A public key to trust."""

    name = StrictCharField(max_length=64)
    public_key = StrictCharField()
    expire_time = StrictIntegerField(required=False, allow_null=True, max_value=_LATEST)

    def validate_public_key(self, value: str) -> str:
        """Accept the base64 of an Ed25519 public key."""
        try:
            load_public_key(value)
        except SysmgrError as error:
            raise serializers.ValidationError(bilingual(error.message, error.message_cn)) from None
        return value

    def validate_expire_time(self, value: int | None) -> datetime | None:
        """Accept a moment to come, and none."""
        moment = None if value is None else datetime.fromtimestamp(max(value, 0), UTC)
        if moment is not None and moment <= timezone.now():
            raise serializers.ValidationError(bilingual("must be in the future", "必须是将来的时间"))
        return moment


class TrustRemoveInput(_ScopeInput):
    """A trusted key, by its fingerprint and where it is trusted."""

    fingerprint = StrictCharField()
