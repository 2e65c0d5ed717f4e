"""One probe: a connection, an HTTP answer or a program of the machine's owner says whether something is well."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cluster.probes import HOST_IP
from upgrades.transports.base import why

from . import programs
from .unusable import Unusable

SECONDS = 5
PAUSE = 1.0  # between two tries
_LINE = 8192  # of an answer only its first line is read
_NOBODY = "-"  # host and service of a gate


async def ask(probe: Mapping[str, Any], cluster_uuid: str, host_ip: str = "", service_type: str = "") -> str:
    """Return why the probe says no, empty when it says yes; it never takes longer than its `seconds` and a moment.

    Raises Unusable where nobody can be asked at all: nothing is known then.
    """
    seconds = int(probe.get("seconds", SECONDS))
    match probe.get("kind"):
        case "tcp":
            asking = _tcp(probe.get("host") or host_ip, int(probe["port"]))
        case "http":
            asking = _http(_url(str(probe["url"]), host_ip), int(probe.get("status", 200)))
        case "command":
            words = (cluster_uuid, host_ip or _NOBODY, service_type or _NOBODY)
            asking = programs.ask(str(probe["name"]), words, seconds)
        case kind:
            raise Unusable(f"the kind {kind!r} is not known here")
    try:
        async with asyncio.timeout(seconds + programs.GRACE):
            return await asking
    except TimeoutError:
        return f"no answer within {seconds} s"


async def ask_until(patience: float, probe: Mapping[str, Any], *about: str) -> str:
    """Ask again until the probe says yes or `patience` (seconds) is over; return its last answer."""
    end = time.monotonic() + patience
    while (reason := await ask(probe, *about)) and time.monotonic() < end:
        await asyncio.sleep(PAUSE)
    return reason


def _url(url: str, host_ip: str) -> str:
    """Fill the host's address in: in brackets where it stands as the host."""
    scheme, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    named = f"[{host_ip}]" if ":" in host_ip else host_ip
    return f"{scheme}://{place.replace(HOST_IP, named)}{slash}{path.replace(HOST_IP, host_ip)}"


async def _tcp(host: str, port: int) -> str:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        return _said(f"{host} port {port}", error)
    await _close(writer)
    return ""


async def _http(url: str, status: int) -> str:
    """Ask for `url` and compare the answer's status. Redirects are not followed, proxies not used, nothing but the
    first line is read; the certificate must be one that this machine trusts."""
    parts = urlsplit(url)
    context = await asyncio.to_thread(ssl.create_default_context) if parts.scheme == "https" else None
    host, port = parts.hostname or "", parts.port or (443 if context else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: sysmgr\r\nConnection: close\r\n\r\n"
    try:
        reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=_LINE)
    except OSError as error:
        return _said(url, error)
    try:
        writer.write(request.encode("ascii"))
        await writer.drain()
        line = await reader.readline()
    except (OSError, ValueError) as error:
        return _said(url, error)
    finally:
        await _close(writer)
    words = line.decode("latin-1").split()
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
        return f"{url} gives no HTTP answer"
    return "" if int(words[1]) == status else f"{url} answers {words[1]}, not {status}"


def _said(what: str, error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{what}: the certificate is refused ({error.verify_message})"
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):  # whose numbers are not the system's
        return f"{what}: {why(error)}"
    return f"{what}: {getattr(error, 'strerror', None) or type(error).__name__}"


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(1):
            await writer.wait_closed()
