"""The strict input of probing, repinning and adopting."""

from __future__ import annotations

import re

from rest_framework import serializers

from sysmgr.api.fields import StrictBooleanField, StrictCharField, StrictSerializer, StrictUUIDField
from sysmgr.errors import bilingual
from upgrades.backup_serializers import HostServiceInput
from upgrades.package.names import version_fault

FINGERPRINT = r"SHA256:[A-Za-z0-9+/]{43}"


def _check_fingerprint(value: str) -> str:
    if value and not re.fullmatch(FINGERPRINT, value):
        raise serializers.ValidationError(
            bilingual("must be SHA256: and 43 characters, as ssh-keygen -l shows it", "格式须为 SHA256: 加 43 个字符")
        )
    return value


class ProbeInput(StrictSerializer):
    """host/probe; without `accept_fingerprint` nothing is pinned."""

    host_ip = StrictCharField()
    accept_fingerprint = StrictCharField(required=False, allow_blank=True, default="")
    cluster_uuid = StrictUUIDField(required=False)

    def validate_accept_fingerprint(self, value: str) -> str:
        """Accept a fingerprint as OpenSSH shows it."""
        return _check_fingerprint(value)


class RepinInput(StrictSerializer):
    """host/repin."""

    host_ip = StrictCharField()
    fingerprint = StrictCharField()
    reason = StrictCharField()
    cluster_uuid = StrictUUIDField(required=False)

    def validate_fingerprint(self, value: str) -> str:
        """Accept a fingerprint as OpenSSH shows it."""
        return _check_fingerprint(value)


class AdoptInput(HostServiceInput):
    """host/adopt."""

    source_path = StrictCharField(max_length=1024)
    version = StrictCharField(max_length=64)
    dry_run = StrictBooleanField(default=False)
    cluster_uuid = StrictUUIDField(required=False)

    def validate_source_path(self, value: str) -> str:
        """Accept an absolute path."""
        if not value.startswith("/"):
            raise serializers.ValidationError(bilingual("must be an absolute path", "必须是绝对路径"))
        return value

    def validate_version(self, value: str) -> str:
        """Accept what a package could have as its version, so that packages can follow it."""
        if fault := version_fault(value):
            raise serializers.ValidationError(
                bilingual(f"can't name a release: {fault.english}", f"不能用作版本：{fault.chinese}")
            )
        return value
