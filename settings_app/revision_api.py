"""The API door of what lies around a change of settings: preview, origin, confirmation, revisions."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from sysmgr.api.envelope import ok
from sysmgr.api.fields import validated
from sysmgr.api.idempotency import idempotent
from sysmgr.api.paging import page_of
from sysmgr.errors import InvalidInput, Problem

from . import pending, revisions
from .api import SettingViewSet, controls
from .explain import explain
from .preview import preview
from .revision_serializers import RevisionRestoreInput, SettingConfirmInput
from .sections import SECTIONS
from .serializers import SettingUpdateInput

_MOST = 2_147_483_647


class RevisionViewSet(SettingViewSet):
    """`/v1/system/setting/{preview,explain,confirm,pending}` and `/v1/system/setting/revision/...`."""

    def preview(self, request: Any) -> Response:
        """Tell what a change would do: what differs, from when on, whom it would shut out; nothing is stored."""
        body = validated(SettingUpdateInput, request.data)
        changes = {name: body[name] for name in SECTIONS if name in body}
        cluster = self.cluster(request, request.data)
        return ok(preview(cluster, changes, self.gate(request).actor, if_revision=body.get("if_revision")))

    def explain(self, request: Any) -> Response:
        """Tell where a setting comes from, who set it and where it is enforced."""
        return ok(explain(self.read_cluster(request), self.query(request, "path")))

    def pending(self, request: Any) -> Response:
        """Show the change that waits for its confirmation, or null."""
        return ok(pending.pending_facts(self.read_cluster(request)))

    def confirm(self, request: Any) -> Response:
        """Let the change that waits for its confirmation stand."""
        body = validated(SettingConfirmInput, request.data)
        cluster = self.cluster(request, request.data)
        pending.confirm(cluster, self.gate(request).actor, if_revision=body.get("if_revision"))
        return ok({})

    def list(self, request: Any) -> Response:
        """List revisions, newest first. Queries: the gate's, count, page."""
        return ok(revisions.revision_list(self.read_cluster(request), page_of(self, request)))

    def inspect(self, request: Any) -> Response:
        """Show one revision with what it changed. Queries: the gate's, the revision."""
        if "revision" not in request.query_params:
            raise InvalidInput([Problem("revision", "is required", "为必填项")])
        number = self.number(request, "revision", 0, 1, _MOST)
        return ok(revisions.inspect_revision(self.read_cluster(request), number))

    @idempotent
    def restore(self, request: Any) -> Response:
        """Bring a revision back, whole or by sections; answers what is stored.

        Secrets stay those of now unless `secrets` names them: `mail_setting.smtp_password`,
        `snmp_settings.snmps[<name>].community`, each with its clear text or "".
        """
        body = validated(RevisionRestoreInput, request.data)
        cluster = self.cluster(request, request.data)
        revisions.restore_revision(
            cluster,
            body["revision"],
            self.gate(request).actor,
            sections=body.get("sections", ()),
            secrets=body.get("secrets"),
            **controls(body),
        )
        return self.stored(request, cluster, self.newest_headers(request, cluster))
