"""The shape of probes: how somebody asks whether a service, or a whole cluster, is well. They are run elsewhere."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

from rest_framework import serializers

from sysmgr.api.fields import StrictCharField, StrictChoiceField, StrictIntegerField, StrictSerializer
from sysmgr.errors import bilingual

HOST_IP = "{host_ip}"  # stands in a URL for the address of the host that is asked
MOST_SECONDS = 60
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_DNS_NAME = re.compile(r"(?!.*\.[0-9]+$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*")
_URL = re.compile(r"https?://[!-z|~]+")  # visible ASCII without braces
_NEEDS = {"tcp": {"port"}, "http": {"url"}, "command": {"name"}}
_MAY = {"tcp": {"port"}, "http": {"url", "status"}, "command": {"name"}}
_OF_ALL = {"kind", "seconds"}


def _refuse(key: str, english: str, chinese: str) -> serializers.ValidationError:
    return serializers.ValidationError({key: [bilingual(english, chinese)]})


class ServiceProbeInput(StrictSerializer):
    """How a service of a host is asked: `tcp` (port), `http` (url, status) or `command` (name of a program that the
    machine's owner put into SYSMGR_PROBE_DIR). An empty object is none."""

    kind = StrictChoiceField(choices=list(_NEEDS), required=False)
    port = StrictIntegerField(required=False, min_value=1, max_value=65535)
    url = StrictCharField(required=False)
    status = StrictIntegerField(required=False, min_value=100, max_value=599)
    name = StrictCharField(required=False, max_length=64)
    seconds = StrictIntegerField(required=False, min_value=1, max_value=MOST_SECONDS)

    of_a_host = True

    def validate_url(self, value: str) -> str:
        """Accept an http(s) URL without user, password and fragment; `{host_ip}` stands for the host's address."""
        fault = url_fault(value, self.of_a_host)
        if fault:
            raise serializers.ValidationError(bilingual(*fault))
        return value

    def validate_name(self, value: str) -> str:
        """Accept the bare name of a file."""
        if not NAME.fullmatch(value):
            raise serializers.ValidationError(bilingual("must be the name of a file", "必须是文件名"))
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Let each kind have its own keys only."""
        if not attrs:
            return attrs
        kind = attrs.get("kind")
        if kind is None:
            raise _refuse("kind", "is required", "为必填项")
        needs, may = self.keys_of(kind)
        for key in sorted(needs - set(attrs)):
            raise _refuse(key, f"is required for {kind}", f"{kind} 探测必须填写")
        for key in sorted(set(attrs) - may - _OF_ALL):
            raise _refuse(key, f"is no key of a {kind} probe", f"不是 {kind} 探测的键")
        return attrs

    def keys_of(self, kind: str) -> tuple[set[str], set[str]]:
        """Return what a probe of this kind must have, and what it may have."""
        return _NEEDS[kind], _MAY[kind]


class GateInput(ServiceProbeInput):
    """How a whole cluster is asked before each host; `tcp` needs a `host` too, for no host of the cluster is meant."""

    host = StrictCharField(required=False)

    of_a_host = False

    def validate_host(self, value: str) -> str:
        """Accept an address or a name."""
        if not is_address(value) and not _DNS_NAME.fullmatch(value):
            raise serializers.ValidationError(bilingual("must be an address or a host name", "必须是地址或主机名"))
        return value

    def keys_of(self, kind: str) -> tuple[set[str], set[str]]:
        """Return what a gate of this kind must have, and what it may have."""
        needs, may = super().keys_of(kind)
        return (needs | {"host"}, may | {"host"}) if kind == "tcp" else (needs, may)


class ProbesInput(StrictSerializer):
    """The probe of each service; one that is left out or null has none."""

    cloud = ServiceProbeInput(required=False, allow_null=True)
    compute = ServiceProbeInput(required=False, allow_null=True)
    storage = ServiceProbeInput(required=False, allow_null=True)


def is_address(text: str) -> bool:
    """Tell whether a text is an IP address without a zone."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def url_fault(url: str, of_a_host: bool) -> tuple[str, str] | None:
    """Return what is wrong with a probe's URL, in both languages; None when nothing is."""
    if HOST_IP in url and not of_a_host:
        return "must not have {host_ip}: a gate asks the cluster, not a host", "不得包含 {host_ip}：闸门针对整个集群"
    bare = url.replace(HOST_IP, "192.0.2.1")
    try:
        parts = urlsplit(bare) if _URL.fullmatch(bare) else None
        port = parts.port if parts else None
    except ValueError:
        parts = port = None
    host = (parts.hostname or "") if parts else ""
    if parts is None or port == 0 or not (is_address(host) or _DNS_NAME.fullmatch(host)):
        return "must be an http or https URL", "必须是 http 或 https 网址"
    if "@" in parts.netloc:
        return "must hold neither user nor password", "不得包含用户名或密码"
    return ("must have no fragment", "不得包含片段") if "#" in bare else None


def kept(probes: dict[str, Any] | None) -> dict[str, Any]:
    """Return the probes that there are, by service, as they are stored."""
    return {service: dict(probe) for service, probe in (probes or {}).items() if probe}
