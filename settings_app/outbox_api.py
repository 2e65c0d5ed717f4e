"""The API door of the outbox."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from cluster.views import ClusterViewSet
from sysmgr.accounts.models import Role
from sysmgr.api.envelope import ok
from sysmgr.api.fields import StrictSerializer, StrictUUIDField, validated
from sysmgr.api.paging import page_of
from sysmgr.api.views import parse_uuid

from .mail import outbox, selectors


class MailInput(StrictSerializer):
    """Which mail is meant."""

    mail_uuid = StrictUUIDField()
    cluster_uuid = StrictUUIDField(required=False)


class OutboxViewSet(ClusterViewSet):
    """`/v1/system/mail/outbox/...`."""

    def list(self, request: Any) -> Response:
        """List the cluster's mail, waiting and failed first."""
        return ok(selectors.outbox(self.read_cluster(request), page_of(self, request)))

    def inspect(self, request: Any) -> Response:
        """Show a mail; administrators see its text too."""
        mail = parse_uuid(request.query_params.get("mail_uuid"), "mail_uuid")
        user = self.gate(request).user
        administrator = user is not None and user.role == Role.ADMINISTRATOR
        return ok(selectors.inspect(self.read_cluster(request), mail, with_body=administrator))

    def retry(self, request: Any) -> Response:
        """Have a mail that waits or failed tried again now."""
        body = validated(MailInput, request.data)
        outbox.retry(self.cluster(request, request.data), body["mail_uuid"], self.gate(request).actor)
        return ok({})

    def remove(self, request: Any) -> Response:
        """Remove a mail that is not being sent."""
        body = validated(MailInput, request.data)
        outbox.remove(self.cluster(request, request.data), body["mail_uuid"], self.gate(request).actor)
        return ok({})
