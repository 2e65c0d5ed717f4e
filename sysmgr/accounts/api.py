"""The API door of accounts: log-in and log-out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rest_framework.response import Response

from cluster.members import member_list
from cluster.models import Cluster
from sysmgr import env
from sysmgr.api.envelope import ok
from sysmgr.api.fields import StrictBooleanField, StrictCharField, StrictSerializer, validated
from sysmgr.api.strict_json import printable
from sysmgr.api.views import ApiViewSet
from sysmgr.errors import InvalidInput, Problem

from . import services
from .login import Attempt, log_in


class LoginInput(StrictSerializer):
    """Contract §3."""

    user = StrictCharField()
    password = StrictCharField()
    tenant = StrictCharField(required=False, allow_blank=True)
    otp = StrictCharField(required=False, allow_blank=True)


class LogoutInput(StrictSerializer):
    """`all` ends every token of the user."""

    all = StrictBooleanField(default=False)


def _old_spelling(body: Any) -> Any:
    """Return a body with its keys in small letters. Raises InvalidInput for one that then stands twice."""
    if not isinstance(body, dict):
        return body
    small: dict[str, Any] = {}
    for key, value in body.items():
        if key.lower() in small:
            raise InvalidInput([Problem(printable(key), "appears twice", "重复出现")])
        small[key.lower()] = value
    return small


class AuthenticationViewSet(ApiViewSet):
    """`/v1/authentication/...`."""

    def login(self, request: Any) -> Response:
        """Exchange user and password for a token."""
        body = validated(LoginInput, _old_spelling(request.data) if env.LEGACY_LOGIN else request.data)
        gate = self.gate(request)
        attempt = Attempt(body["user"], body["password"], "api", gate.source, gate.request_id, body.get("otp", ""))
        entered = log_in(attempt)
        user = entered.user
        members = member_list()
        default = Cluster.objects.filter(default=True).values_list("pk", flat=True).first()
        # Old clients look for these three.
        old = {"role": user.role, "tenant": body.get("tenant", ""), "enable_ldap": 0} if env.LEGACY_LOGIN else {}
        return ok(
            {
                "token": entered.clear,
                "expire_time": int(entered.token.expire_time.timestamp()),
                "user_uuid": str(user.pk),
                "user_name": user.user_name,
                "user_role": user.role,
                "tenant_uuid": "",
                "default_cluster_uuid": str(default or ""),
                "must_change_password": entered.must_change_password,
                "notices": [asdict(notice) for notice in entered.notices],
                "system_member_list": {
                    "leader": members["leader"] or env.ADDRESS,
                    "candidates": members["candidates"],
                },
                **old,
            }
        )

    def logout(self, request: Any) -> Response:
        """End this token, or all of this user's."""
        body = validated(LogoutInput, request.data)
        gate = self.gate(request)
        assert gate.token is not None  # the gate lets nobody without a token come here
        services.log_out(gate.token, gate.actor, everywhere=body["all"])
        return ok({})
