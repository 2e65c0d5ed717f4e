"""Which role may make which call: contract §3, decided from the method and the path."""

from __future__ import annotations

from sysmgr.accounts.models import Role

_PREFIX = "/v1/system/"
_OPERATOR_WRITES = ("host/", "upgrade_package/", "upgrade/", "compute/version/", "alert/acknowledge")
_ADMIN_ONLY = ("upgrade_package/trust/",)
_PRIVATE_READS = ("audit/", "user/")
_OWN = "/v1/authentication/", "/v1/apikey/"
_KEYS_OWN = "/v1/apikey/list"


def allowed(role: str, method: str, path: str, key_role: str | None = None) -> bool:
    """Tell whether `role` may call `method` on `path`; what is nobody's is an administrator's.

    With a key its role must allow the call too, and log-ins and keys are not its business: a key that leaked must not
    make itself another one.
    """
    if key_role is None:
        return _allowed(role, method, path)
    return open_to_keys(path) and _allowed(role, method, path) and _allowed(key_role, method, path)


def open_to_keys(path: str) -> bool:
    """Tell whether keys for programs may call it at all."""
    return path == _KEYS_OWN or not path.startswith(_OWN)


def _allowed(role: str, method: str, path: str) -> bool:
    if role == Role.ADMINISTRATOR or path.startswith(_OWN):
        return True
    noun = path.removeprefix(_PREFIX)
    reading = method in ("GET", "HEAD", "OPTIONS")
    if role == Role.AUDITOR:
        return reading
    if reading:
        return not noun.startswith(_PRIVATE_READS)
    return noun.startswith(_OPERATOR_WRITES) and not noun.startswith(_ADMIN_ONLY)
