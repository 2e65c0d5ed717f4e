"""The strict input of clusters and hosts."""

from __future__ import annotations

import base64
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
from .probes import GateInput, ProbesInput, kept

MOST_LABELS = 32
MOST_ROWS = 5_000  # hosts of one import
MOST_LINE = 2_048
_SSH_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?")
_HOST_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}( [^ ].*)?")


def _is_key(line: str) -> bool:
    """Whether a line is a public key as RFC 4253, 6.6 has it: the blob begins with the name of its type."""
    if not _HOST_KEY.fullmatch(line):
        return False
    kind, blob = line.split(" ")[:2]
    try:
        decoded = base64.b64decode(blob, validate=True)
    except ValueError:
        return False
    return decoded.startswith(len(kind).to_bytes(4, "big") + kind.encode())


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
    """`cluster/update`; a null or empty gate or probe is none."""

    name = StrictCharField(max_length=64, required=False)
    default = StrictBooleanField(required=False)
    gate = GateInput(required=False, allow_null=True)
    probes = ProbesInput(required=False, allow_null=True)
    cluster_uuid = StrictUUIDField(required=False)

    def validate_gate(self, value: dict[str, Any] | None) -> dict[str, Any]:
        """Return it as it is stored."""
        return dict(value or {})

    def validate_probes(self, value: dict[str, Any] | None) -> dict[str, Any]:
        """Return them as they are stored."""
        return kept(value)

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
        if value and not _is_key(value):
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
    """`host/update`: `host_ip` names the host, the rest is changed. Maintenance needs a reason; its end clears it."""

    root = StrictCharField(required=False)  # type: ignore[assignment]
    services = _services(required=False)
    maintenance = StrictBooleanField(required=False)
    maintenance_reason = StrictCharField(required=False, allow_blank=True)


class HostRowInput(HostInput):
    """One row of `host/import`; all rows are for the cluster that the call names."""

    cluster_uuid = None  # type: ignore[assignment]  # takes the field away


class HostRows(StrictListField):
    """A list whose items are checked one by one later, so that a bad one refuses only itself."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"child": HostRowInput(), "allow_empty": False, "max_length": MOST_ROWS, **kwargs})

    def run_child_validation(self, data: Any) -> Any:
        """Return the items as they came."""
        return data


class HostImportInput(StrictSerializer):
    """`host/import`: `list`, objects as host/create takes them; or `csv`, the lines of a file, its header first."""

    list: Any = HostRows(required=False)
    csv = StrictListField(
        child=StrictCharField(max_length=MOST_LINE, allow_blank=True),
        required=False,
        allow_empty=False,
        max_length=MOST_ROWS + 1,
    )
    dry_run = StrictBooleanField(default=False)
    partial = StrictBooleanField(default=False)  # type: ignore[assignment]  # a field; the stubs take it for the property
    cluster_uuid = StrictUUIDField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one of the two forms."""
        if ("list" in attrs) == ("csv" in attrs):
            raise serializers.ValidationError({"list": [bilingual("or csv: exactly one", "与 csv 必须且只能给出其一")]})
        return attrs
