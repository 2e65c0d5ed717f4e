"""Taking secrets out of what leaves the house: by the name of a value, by what is known to be secret, in addresses."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.conf import settings

from settings_app.models import MailSetting, SnmpTarget
from settings_app.sections import SNMP_SECRETS
from sysmgr import env
from sysmgr.accounts.passwords import first_password_file
from sysmgr.crypto import MASK, Secret, SecretUnreadable

_SECRET_NAME = re.compile(r"pass(word|wd|phrase)|secret|token|credential|community|api_?key|private|otp|cookie", re.I)
_IN_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*://)[^/\s]*@", re.I)
_LEAST = 6  # a shorter secret stands in too many words by chance
_OWN_VARIABLE = re.compile(r"SYSMGR_|TZ$|LANG$|LC_|PYTHON")


def hush() -> Callable[[Any], Any]:
    """Return a function that masks secrets in JSON values; what is known to be secret is read once, now."""
    known = sorted({text for text in _known() if len(text) >= _LEAST}, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, known)) or r"(?!)")

    def hushed(value: Any) -> Any:
        if isinstance(value, str):
            return pattern.sub(MASK, _IN_ADDRESS.sub(rf"\1{MASK}@", value))
        if isinstance(value, list):
            return [hushed(item) for item in value]
        if isinstance(value, Mapping):
            return _hushed_object(value, hushed)
        return value

    return hushed


def _hushed_object(value: Mapping[str, Any], hushed: Callable[[Any], Any]) -> dict[str, Any]:
    path = value.get("path")
    if isinstance(path, str) and _SECRET_NAME.search(path.rpartition(".")[2]):  # an entry of a difference
        value = {**value, **{side: _masked(value[side]) for side in ("from", "to") if side in value}}
    return {
        hushed(key): _masked(item) if _SECRET_NAME.search(key) and isinstance(item, str) else hushed(item)
        for key, item in value.items()
    }


def _masked(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int) else (MASK if value else value)


def environment() -> dict[str, str]:
    """Return all variables by name: the product's own with their values, secret ones masked, the rest unseen."""
    found = {}
    for name, value in sorted(os.environ.items()):
        if name == "DATABASE_URL":
            # Whatever stands behind the scheme may be a password that holds any sign.
            found[name] = value.partition("://")[0] + f"://{MASK}" if "://" in value else MASK
        elif not _OWN_VARIABLE.match(name):
            found[name] = "(not shown)"
        else:
            found[name] = _masked(value) if _SECRET_NAME.search(name) else value
    return found


def _known() -> Iterator[str]:
    yield settings.SECRET_KEY
    yield from map(str, settings.SECRET_KEY_FALLBACKS)
    yield str(settings.DATABASES["default"].get("PASSWORD", ""))
    yield from (value for name, value in os.environ.items() if _SECRET_NAME.search(name))
    files = [path for path in (env.DATA_DIR / "keys").glob("*") if path.name != "tls-certificate.pem"]
    for path in [*files, first_password_file()]:
        if path.is_file():
            yield from (line for line in path.read_text(errors="replace").split("\n") if not line.startswith("-----"))
    rows: list[Any] = [*MailSetting.objects.all(), *SnmpTarget.objects.all()]
    for row in rows:
        for name in ("smtp_password", *SNMP_SECRETS):
            yield _clear(getattr(row, name, None))


def _clear(secret: Secret | None) -> str:
    try:
        return secret.reveal() if secret else ""
    except SecretUnreadable:
        return ""
