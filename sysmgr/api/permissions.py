"""Which role may make which call: contract §3, decided from the method and the path."""

from __future__ import annotations

from sysmgr.accounts.models import Role

_PREFIX = "/v1/system/"
_OPERATOR_WRITES = ("host/", "upgrade_package/", "upgrade/", "compute/version/", "alert/acknowledge")
_ADMIN_ONLY = ("upgrade_package/trust/",)
_PRIVATE_READS = ("audit/", "user/")
_OWN = "/v1/authentication/", "/v1/apikey/"


def allowed(role: str, method: str, path: str) -> bool:
    """Tell whether `role` may call `method` on `path`; what is nobody's is an administrator's."""
    if role == Role.ADMINISTRATOR or path.startswith(_OWN):
        return True
    noun = path.removeprefix(_PREFIX)
    reading = method in ("GET", "HEAD", "OPTIONS")
    if role == Role.AUDITOR:
        return reading
    if reading:
        return not noun.startswith(_PRIVATE_READS)
    return noun.startswith(_OPERATOR_WRITES) and not noun.startswith(_ADMIN_ONLY)
