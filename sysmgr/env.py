"""The environment: every variable of the product, read once, refused loudly when it makes no sense."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import environ

BASE_DIR = Path(__file__).resolve().parent.parent
environ.Env.read_env(BASE_DIR / ".env")
_env = environ.Env()


class BadEnvironment(SystemExit):
    """A variable or directory makes no sense: one clear line and exit code 2, no traceback."""

    def __init__(self, variable: str, reason: str) -> None:
        self.reason = f"sysmgr: {variable}: {reason}"
        super().__init__(2)

    def __str__(self) -> str:
        return self.reason


def _refuse(variable: str, reason: str) -> BadEnvironment:
    error = BadEnvironment(variable, reason)
    os.write(2, f"{error.reason}\n".encode())
    return error


def _flag(name: str, default: bool) -> bool:
    value = _env.str(name, "").strip().lower()
    if value in ("", "true", "1", "yes", "on", "false", "0", "no", "off"):
        return default if value == "" else value in ("true", "1", "yes", "on")
    raise _refuse(name, f"{value!r} is neither true nor false")


def _number(name: str, default: int, low: int, high: int) -> int:
    text = _env.str(name, "").strip() or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise _refuse(name, f"{text!r} is no whole number from {low} to {high}")
    return int(text)


def _file(name: str) -> str:
    path: str = _env.str(name, "")
    try:
        if path:
            Path(path).open("rb").close()
    except OSError as error:
        raise _refuse(name, f"can't read {path}: {error.strerror}") from None
    return path


def _addresses(name: str) -> frozenset[str]:
    """Return addresses in their usual form, an IPv4-mapped one as IPv4: as the gate compares them."""
    found = set()
    for item in _env.list(name, default=[]):
        try:
            address = ipaddress.ip_address(item.strip())
        except ValueError:
            raise _refuse(name, f"{item.strip()!r} is no IP address") from None
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        found.add(str(mapped or address))
    return frozenset(found)


def _folders(name: str) -> list[Path]:
    found = [Path(item.strip()) for item in _env.list(name, default=[]) if item.strip()]
    for path in found:
        if not path.is_absolute():
            raise _refuse(name, f"{str(path)!r} is no absolute path")
    return [path.resolve() for path in found]


def _folder(name: str) -> Path | None:
    found = _folders(name)
    if len(found) > 1:
        raise _refuse(name, "names more than one folder")
    return found[0] if found else None


def split_bind(bind: str) -> tuple[str, int]:
    """Return (host, port) of `host:port` or `[ipv6]:port`."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+)):(\d{1,5})", bind)
    if not match or not 0 < int(match[3]) < 65536:
        raise _refuse("SYSMGR_BIND", f"{bind!r} is not host:port")
    return match[1] or match[2], int(match[3])


def _own_address() -> str:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Connecting a datagram socket sends nothing; it only asks the routing table.
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return "127.0.0.1"


def _is_wildcard(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_unspecified
    return False


def is_loopback(host: str) -> bool:
    """Tell whether `host` is a loopback address or the name localhost."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def key_file(name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(48)) -> str:
    """Return the key in `<data dir>/keys/<name>` (mode 0600), made at the first call."""
    path = DATA_DIR / "keys" / name
    try:
        # The data dir holds the database with its password hashes: nobody else on this machine reads it.
        DATA_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        if not path.exists():
            draft = path.with_name(f".{name}.{os.getpid()}")
            draft.write_text(make() + "\n")
            draft.chmod(0o600)
            # A link never overwrites: of two starts at once, the first one's key stays.
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
            draft.unlink()
        return str(path.read_text().strip())
    except OSError as error:
        raise _refuse("SYSMGR_DATA_DIR", f"cannot keep keys in {path.parent}: {error.strerror}") from None


BIND = _env.str("SYSMGR_BIND", "127.0.0.1:8000")
BIND_HOST, BIND_PORT = split_bind(BIND)
DATA_DIR: Path = (BASE_DIR / _env.str("SYSMGR_DATA_DIR", "var")).resolve()
ADDRESS = _env.str("SYSMGR_ADDRESS", "") or (_own_address() if _is_wildcard(BIND_HOST) else BIND_HOST)
DEMO = _flag("SYSMGR_DEMO", True)
TLS_CERT_FILE = _file("SYSMGR_TLS_CERT_FILE")
TLS_KEY_FILE = _file("SYSMGR_TLS_KEY_FILE")
if bool(TLS_CERT_FILE) != bool(TLS_KEY_FILE):
    raise _refuse("SYSMGR_TLS_CERT_FILE", "needs SYSMGR_TLS_KEY_FILE beside it, and the other way round")
INSECURE_HTTP = _flag("SYSMGR_INSECURE_HTTP", False)
USES_TLS = bool(TLS_CERT_FILE) or not (is_loopback(BIND_HOST) or INSECURE_HTTP)
TRUSTED_PROXIES = _addresses("SYSMGR_TRUSTED_PROXIES")
LOCAL_ROOTS = _folders("SYSMGR_LOCAL_ROOTS")
# The private key of log-ins to SSH hosts; empty = a key of its own in the data dir (upgrades/transports/ssh_key.py).
SSH_KEY_FILE = _file("SYSMGR_SSH_KEY_FILE")
SMTP_CA_FILE = _file("SYSMGR_SMTP_CA_FILE") or None
PROBE_DIR = _folder("SYSMGR_PROBE_DIR") or DATA_DIR / "probes"
TIME_ZONE = _env.str("SYSMGR_TIME_ZONE", "UTC")
LEASE_TTL_SECONDS = _number("SYSMGR_LEASE_TTL_SECONDS", 15, 3, 3600)
SWEEP_SECONDS = _number("SYSMGR_SWEEP_SECONDS", 600, 10, 86400)
WEB_WORKERS = _number("SYSMGR_WEB_WORKERS", 2, 1, 64)
WEB_THREADS = _number("SYSMGR_WEB_THREADS", 36, 2, 256)
# How long rows are kept (sysmgr/management/retention.py): events, closed alerts, mail that was sent or given up.
BACKUP_KEEP = _number("SYSMGR_BACKUP_KEEP", 3, 1, 1000)
BACKUP_DAYS = _number("SYSMGR_BACKUP_DAYS", 30, 0, 36500)
EVENT_DAYS = _number("SYSMGR_EVENT_DAYS", 90, 1, 36500)
ALERT_DAYS = _number("SYSMGR_ALERT_DAYS", 90, 1, 36500)
MAIL_DAYS = _number("SYSMGR_MAIL_DAYS", 30, 1, 36500)
# For old clients; docs/compatibility.md says what each one changes.
ALWAYS_200 = _flag("SYSMGR_ALWAYS_200", False)
LENIENT_KEYS = _flag("SYSMGR_LENIENT_KEYS", False)
REVEAL_SECRETS = _flag("SYSMGR_REVEAL_SECRETS", False)
LEGACY_LOGIN = _flag("SYSMGR_LEGACY_LOGIN", False)

_address = f"[{ADDRESS}]" if ":" in ADDRESS else ADDRESS
PUBLIC_URL = _env.str("SYSMGR_PUBLIC_URL", "") or f"{'https' if USES_TLS else 'http'}://{_address}:{BIND_PORT}"
if not re.fullmatch(r"https?://[^/?#\s]+/?", PUBLIC_URL):
    raise _refuse("SYSMGR_PUBLIC_URL", f"{PUBLIC_URL!r} is not http(s)://host or http(s)://host:port")
PUBLIC_URL = PUBLIC_URL.rstrip("/")

try:
    ZoneInfo(TIME_ZONE)
except (KeyError, ValueError, OSError):
    raise _refuse("SYSMGR_TIME_ZONE", f"{TIME_ZONE!r} is no IANA time zone") from None


def database() -> dict[str, object]:
    """Return Django's database configuration of DATABASE_URL, SQLite in the data dir by default."""
    url = _env.str("DATABASE_URL", "") or f"sqlite:///{DATA_DIR / 'sysmgr.sqlite3'}"
    config: dict[str, object] = {}
    if url.partition("://")[0] in ("sqlite", "postgres", "postgresql"):  # of others environ warns with the whole URL
        with contextlib.suppress(Exception):
            config = environ.Env.db_url_config(url)
    if config.get("ENGINE") == "django.db.backends.sqlite3":
        options = {
            # IMMEDIATE: a writer waits for the lock at its first statement instead of failing later.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
        # Tests use a file too: SQLite's memory database locks whole tables, which no real one does.
        return {**config, "OPTIONS": options, "TEST": {"NAME": str(DATA_DIR / "test.sqlite3")}}
    if config.get("ENGINE") == "django.db.backends.postgresql" and config.get("NAME"):
        return {**config, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True, "OPTIONS": {"connect_timeout": 5}}
    # The URL itself may hold a password: it is never shown.
    raise _refuse("DATABASE_URL", "is neither sqlite:///<file> nor postgres://<user>@<host>/<name>")
