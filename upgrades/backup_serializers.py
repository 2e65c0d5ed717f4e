"""The strict input of backups, restores and rollbacks."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from cluster.models import ServiceType
from sysmgr.api.fields import (
    StrictBooleanField,
    StrictCharField,
    StrictListField,
    StrictSerializer,
    StrictUUIDField,
)
from sysmgr.errors import bilingual


class HostServiceInput(StrictSerializer):
    """One service of one host."""

    host_ip = StrictCharField()
    service_type = StrictCharField()

    def validate_service_type(self, value: str) -> str:
        """Accept the services that sysmgr knows."""
        if value not in ServiceType.values:
            raise serializers.ValidationError(
                bilingual("must be cloud, compute or storage", "必须是 cloud、compute 或 storage")
            )
        return value


class BackupInput(HostServiceInput):
    """compute/version/backup."""

    cluster_uuid = StrictUUIDField(required=False)
    wait = StrictBooleanField(default=False)


class BackupNameInput(StrictSerializer):
    """compute/version/verify and remove: one backup of one host."""

    host_ip = StrictCharField()
    package_name = StrictCharField()
    cluster_uuid = StrictUUIDField(required=False)


class RestoreInput(BackupNameInput):
    """compute/version/restore."""

    wait = StrictBooleanField(default=False)


class RollbackInput(StrictSerializer):
    """upgrade/rollback; without `list`, all that the run committed."""

    upgrade_uuid = StrictUUIDField()
    list: Any = StrictListField(child=HostServiceInput(), allow_empty=False, required=False)
    cluster_uuid = StrictUUIDField(required=False)
