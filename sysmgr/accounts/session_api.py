"""The API door of log-ins that are under way: one's own, and for administrators everybody's."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from sysmgr.api.envelope import ok
from sysmgr.api.fields import StrictSerializer, StrictUUIDField, validated
from sysmgr.api.paging import page_of
from sysmgr.api.views import ApiViewSet, parse_uuid
from sysmgr.audit.refusals import refuse
from sysmgr.errors import PermissionDenied

from . import services
from .login_errors import SessionNotFound


class SessionEndInput(StrictSerializer):
    """`session/end`."""

    session_uuid = StrictUUIDField()


class SessionViewSet(ApiViewSet):
    """`/v1/authentication/session/...`."""

    def list(self, request: Any) -> Response:
        """List one's own log-ins; an administrator names another user, or `all`."""
        gate = self.gate(request)
        assert gate.user is not None and gate.token is not None  # the gate lets no key come here
        asked = request.query_params.get("user_uuid", "")
        wanted = None if asked == "all" else parse_uuid(asked, "user_uuid") if asked else gate.user.pk
        if wanted != gate.user.pk and not gate.user.is_superuser:
            refuse(gate.actor, "call", "log-ins of another user")
            raise PermissionDenied("user_uuid")
        return ok(services.session_list(wanted, gate.policy, page_of(self, request), gate.token.pk))

    def end(self, request: Any) -> Response:
        """End one of one's own log-ins; an administrator ends anybody's."""
        body = validated(SessionEndInput, request.data)
        gate = self.gate(request)
        assert gate.user is not None
        owner = None if gate.user.is_superuser else gate.user.pk
        try:
            services.end_session(body["session_uuid"], owner, gate.actor)
        except SessionNotFound:
            refuse(gate.actor, "session.end", "log-in of another user, or none")
            raise
        return ok({})
