"""DRF's authentication: the gate has decided already, this only hands its result on."""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import BaseAuthentication


class GateAuthentication(BaseAuthentication):
    """Return the user that the gate let in."""

    def authenticate(self, request: Any) -> tuple[Any, Any] | None:
        """Return (user, gate), or None at an open door."""
        gate = getattr(request._request, "gate", None)
        return (gate.user, gate) if gate and gate.user else None

    def authenticate_header(self, request: Any) -> str:
        """Name the scheme of a 401."""
        return "Bearer"
