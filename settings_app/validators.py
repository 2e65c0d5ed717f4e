"""Rules over single values of settings (contract §2), shared by models, API fields and admin forms."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, NoReturn
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError

from sysmgr.errors import bilingual

MAX_RANGES = 1000
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def _refuse(english: str, chinese: str) -> NoReturn:
    raise ValidationError(bilingual(english, chinese), code="invalid")


def validate_server_host(value: str) -> None:
    """Accept an IP address or a host name; a name whose last label is all digits is none (RFC 3696 §2)."""
    try:
        ipaddress.ip_address(value)
        return
    except ValueError:
        labels = value.rstrip(".").split(".")
    if len(value) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        _refuse("must be an IP address or a host name", "必须是 IP 地址或主机名")


def validate_color(value: str) -> None:
    """Accept #rrggbb."""
    if not _COLOR.fullmatch(value):
        _refuse("must be #rrggbb", "必须是 #rrggbb 形式")


def validate_http_url(value: str) -> None:
    """Accept an http or https URL."""
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and (parts.port is None or parts.port > 0)
        validate_server_host(parts.hostname or "")
    except (ValueError, ValidationError):
        good = False
    if not good or re.search(r"[\s<>\"\\]", value):
        _refuse("must be an http or https URL", "必须是 http 或 https 地址")


def validate_login_image(value: str) -> None:
    """Accept only the path that an upload of an image answered: uploads are the only source of images."""
    if not re.fullmatch(r"/media/login-image/[0-9a-f]{64}\.(png|jpeg|webp)", value):
        _refuse("must be the path that an image upload answered", "必须是图片上传接口返回的路径")


def parse_ip_range(text: str) -> tuple[int, int, int]:
    """Return (IP version, first, last) of an address, a CIDR or `a-b`; ValueError if it is none.

    An IPv4-mapped IPv6 range counts as IPv4.
    """
    if "%" in text:
        raise ValueError("a scope is no part of a range")
    if "/" in text:
        network = ipaddress.ip_network(text, strict=False)
        first, last = network[0], network[-1]
    else:
        low, _, high = text.partition("-")
        first = ipaddress.ip_address(low.strip())
        last = ipaddress.ip_address(high.strip()) if high else first
    first, last = _unmapped(first), _unmapped(last)
    if first.version != last.version or int(first) > int(last):
        raise ValueError("the range runs backwards")
    return first.version, int(first), int(last)


def _unmapped(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return (address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None) or address


def validate_ip_ranges(value: Any) -> None:
    """Accept a list of at most 1,000 address ranges."""
    if not isinstance(value, list) or len(value) > MAX_RANGES:
        _refuse("must be a list of at most 1000 ranges", "必须是至多 1000 项的列表")
    for place, item in enumerate(value):
        try:
            parse_ip_range(item)
        except (ValueError, AttributeError, TypeError):
            _refuse(
                f"[{place}] must be an address, a CIDR or a range a-b",
                f"[{place}] 必须是地址、CIDR 或 a-b 范围",
            )


def validate_clock(value: str) -> None:
    """Accept HH:MM, 00:00 to 23:59."""
    if not _CLOCK.fullmatch(value):
        _refuse("must be HH:MM", "必须是 HH:MM 形式")


def validate_time_zone(value: str) -> None:
    """Accept the name of an IANA time zone."""
    if value not in available_timezones():
        _refuse("must be an IANA time zone", "必须是 IANA 时区")


def validate_time_policy(value: Any) -> None:
    """Accept null or a whole time policy (contract §2); the API checks each key with its path before."""
    if value is None:
        return
    try:
        good = isinstance(value["enabled"], bool) and isinstance(value["whitelist"], bool)
        validate_time_zone(value["time_zone"])
        for window in value["windows"]:
            validate_clock(window["start"])
            validate_clock(window["end"])
            good = good and bool(window["days"]) and set(window["days"]) <= set(range(1, 8))
        good = good and set(value) == {"enabled", "time_zone", "whitelist", "windows"}
    except (KeyError, TypeError):
        good = False
    if not good:
        _refuse("must be a whole time policy or empty", "必须是完整的时间策略或为空")
