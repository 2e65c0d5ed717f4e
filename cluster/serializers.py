"""The strict input of clusters and hosts."""

from __future__ import annotations

import ipaddress
import re
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

from .models import Host, ServiceType

MOST_LABELS = 32
_SSH_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?")
_HOST_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}( [^ ].*)?")


def _refuse(english: str, chinese: str) -> serializers.ValidationError:
    return serializers.ValidationError(bilingual(english, chinese))


def check_address(value: str) -> str:
    """Accept an IPv4 or IPv6 address in its one usual form, so that a host has one name."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        raise _refuse("must be an IPv4 or IPv6 address", "必须是 IPv4 或 IPv6 地址") from None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    usual = str(mapped or address)
    if "%" in value:
        raise _refuse("must be an address without a zone", "地址不得包含区域标识")
    if usual != value:
        raise _refuse(f"must be written as {usual}", f"必须写作 {usual}")
    return value


def _once(values: list[str]) -> list[str]:
    if len(set(values)) < len(values):
        raise _refuse("must not name anything twice", "不得重复")
    return values


class ClusterInput(StrictSerializer):
    """`cluster/create`."""

    name = StrictCharField(max_length=64)
    confirm_lockout = StrictBooleanField(default=False)

    def validate_name(self, value: str) -> str:
        """Refuse names that look alike."""
        if value != value.strip():
            raise _refuse("must not begin or end with a blank", "首尾不得有空格")
        return value


class ClusterUpdateInput(ClusterInput):
    """`cluster/update`."""

    name = StrictCharField(max_length=64, required=False)
    default = StrictBooleanField(required=False)
    cluster_uuid = StrictUUIDField(required=False)

    def validate_default(self, value: bool) -> bool:
        """There is always one default cluster: another one takes its place."""
        if not value:
            raise _refuse("must be true: make another cluster the default instead", "必须为 true：请将其他集群设为默认")
        return value


class ClusterNamedInput(StrictSerializer):
    """`cluster/remove`."""

    cluster_uuid = StrictUUIDField(required=False)


class HostNamedInput(StrictSerializer):
    """`host/remove`."""

    host_ip = StrictCharField()
    cluster_uuid = StrictUUIDField(required=False)


class HostFieldsInput(StrictSerializer):
    """What create and update share."""

    host_ip = StrictCharField(max_length=45)
    labels = StrictListField(child=StrictCharField(max_length=64), max_length=MOST_LABELS, required=False)
    ssh_port = StrictIntegerField(min_value=1, max_value=65535, required=False)
    ssh_user = StrictCharField(max_length=64, allow_blank=True, required=False)
    ssh_sudo = StrictBooleanField(required=False)
    host_key = StrictCharField(max_length=1024, allow_blank=True, required=False)
    cluster_uuid = StrictUUIDField(required=False)

    def validate_labels(self, value: list[str]) -> list[str]:
        """Refuse the same label twice."""
        return _once(value)

    def validate_services(self, value: list[str]) -> list[str]:
        """Refuse the same service twice."""
        return _once(value)

    def validate_ssh_user(self, value: str) -> str:
        """Accept what can name an account."""
        if value and not _SSH_USER.fullmatch(value):
            raise _refuse("must be the name of an account", "必须是账户名")
        return value

    def validate_host_key(self, value: str) -> str:
        """Accept one public key as ssh-keyscan prints it, without the host."""
        if value and not _HOST_KEY.fullmatch(value):
            raise _refuse("must be a public key: type and Base64", "必须是公钥：类型与 Base64")
        return value


def _services(**kwargs: Any) -> StrictListField:
    return StrictListField(child=StrictChoiceField(choices=ServiceType.choices), allow_empty=False, **kwargs)


class HostInput(HostFieldsInput):
    """`host/create`."""

    transport = StrictChoiceField(choices=Host.Transport.choices)
    root = StrictCharField()  # type: ignore[assignment]  # a field; the stubs take it for the property
    services = _services()

    def validate_host_ip(self, value: str) -> str:
        """Accept an address in its usual form."""
        return check_address(value)


class HostUpdateInput(HostFieldsInput):
    """`host/update`: `host_ip` names the host, the rest is changed."""

    root = StrictCharField(required=False)  # type: ignore[assignment]
    services = _services(required=False)
