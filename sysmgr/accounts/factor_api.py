"""The API door of the second factor: everybody for himself."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rest_framework.response import Response

from sysmgr.api.envelope import ok
from sysmgr.api.fields import StrictCharField, StrictSerializer, validated
from sysmgr.api.views import ApiViewSet

from . import factor
from .models import User


class EnrollInput(StrictSerializer):
    """Asks for nothing."""


class OtpInput(StrictSerializer):
    """A code of the authenticator; to remove it a recovery code will do."""

    otp = StrictCharField()


class FactorViewSet(ApiViewSet):
    """`/v1/authentication/otp/...`."""

    def enroll(self, request: Any) -> Response:
        """Begin with an authenticator; its secret is shown this once."""
        validated(EnrollInput, request.data)
        return ok(asdict(factor.enroll(self._user(request), self.gate(request).actor)))

    def confirm(self, request: Any) -> Response:
        """Let it guard the log-in; the recovery codes are shown this once."""
        body = validated(OtpInput, request.data)
        codes = factor.confirm(self._user(request), body["otp"], self.gate(request).actor)
        return ok({"recovery_codes": codes})

    def remove(self, request: Any) -> Response:
        """Take it away."""
        body = validated(OtpInput, request.data)
        factor.remove(self._user(request), body["otp"], self.gate(request).actor)
        return ok({})

    def _user(self, request: Any) -> User:
        user = self.gate(request).user
        assert user is not None  # the gate lets nobody without a token come here
        return user
