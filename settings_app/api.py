"""The API door of settings: endpoints 3 to 7."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponseNotModified
from rest_framework.response import Response

from cluster.models import Cluster
from cluster.views import ClusterViewSet
from sysmgr import env
from sysmgr.api.envelope import ok, standard
from sysmgr.api.fields import validated
from sysmgr.api.idempotency import idempotent

from . import selectors, services
from .mail import delivery
from .models import SettingRevision
from .sections import SECTIONS
from .serializers import MailTestInput, MailUpdateInput, SettingUpdateInput

_CONTROL = ("cluster_uuid", "if_revision", "reason", "password_special_char")


def _revision_headers(number: int | None, key: UUID | None, *, clear: bool) -> dict[str, str]:
    """Return the headers of a revision; what shows secrets is another representation and has another ETag."""
    return {"Sysmgr-Revision": str(number), "ETag": f'"{key}{"-clear" if clear else ""}"'} if key else {}


def controls(body: dict[str, Any]) -> dict[str, Any]:
    """Return how a change is to be made, as the services take it; what a body lacks is left to them."""
    names = ("if_revision", "reason", "confirm_lockout", "confirm_within_seconds")
    return {name: body[name] for name in names if name in body}


class SettingViewSet(ClusterViewSet):
    """`/v1/system/setting/...` and `/v1/system/mail_setting/...`."""

    def _sections(self, request: Any) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the sections of the cluster that the gate found, and their revision's headers."""
        gate = self.gate(request)
        clear = self._sees_secrets(request)
        sections = selectors.cached_settings(self.read_cluster(request), gate.revision_key, clear=clear)
        return sections, _revision_headers(gate.revision_number, gate.revision_key, clear=clear)

    def _sees_secrets(self, request: Any) -> bool:
        """Whether secrets are shown in clear: to administrators, while the switch for old clients is on."""
        user = self.gate(request).user
        return env.REVEAL_SECRETS and user is not None and user.is_superuser

    def _revealed(self, request: Any, cluster_uuid: UUID, sections: dict[str, Any]) -> None:
        """Note in the audit which secrets an answer is about to show; nothing is shown unnoted."""
        if self._sees_secrets(request):
            services.note_revealed(cluster_uuid, sections, self.gate(request).actor)

    def _not_modified(self, request: Any, headers: dict[str, str]) -> bool:
        return bool(headers) and request.headers.get("If-None-Match") == headers["ETag"]

    def inspect(self, request: Any) -> Response | HttpResponseNotModified:
        """Show the eight sections and the special characters."""
        sections, headers = self._sections(request)
        if self._not_modified(request, headers):
            return HttpResponseNotModified(headers=headers)
        self._revealed(request, self.read_cluster(request), sections)
        return ok(selectors.with_special_char(sections), **headers)

    def mail_inspect(self, request: Any) -> Response | HttpResponseNotModified:
        """Show the nine mail keys."""
        sections, headers = self._sections(request)
        if self._not_modified(request, headers):
            return HttpResponseNotModified(headers=headers)
        shown = {"mail_setting": sections["mail_setting"]}
        self._revealed(request, self.read_cluster(request), shown)
        return ok(sections["mail_setting"], **headers)

    def _update(self, request: Any, body: dict[str, Any], changes: dict[str, Any]) -> tuple[Cluster, dict[str, str]]:
        cluster = self.cluster(request, request.data)
        services.update_settings(
            cluster,
            changes,
            self.gate(request).actor,
            **controls(body),
        )
        return cluster, self.newest_headers(request, cluster)

    def newest_headers(self, request: Any, cluster: Cluster) -> dict[str, str]:
        """Return the headers of the cluster's newest revision."""
        newest = SettingRevision.objects.filter(cluster=cluster).order_by("-number")
        number, key = newest.values_list("number", "key")[0]
        return _revision_headers(number, key, clear=self._sees_secrets(request))

    @idempotent
    def update(self, request: Any) -> Response:
        """Change any keys of any sections; answers what is stored."""
        body = validated(SettingUpdateInput, request.data)
        cluster, headers = self._update(request, body, {name: body[name] for name in SECTIONS if name in body})
        return self.stored(request, cluster, headers)

    def stored(self, request: Any, cluster: Cluster, headers: dict[str, str]) -> Response:
        """Answer what is stored now."""
        sections = selectors.render_settings(cluster.pk, clear=self._sees_secrets(request))
        self._revealed(request, cluster.pk, sections)
        response = ok(sections, **headers)
        if self._sees_secrets(request):
            response.kept = standard(selectors.render_settings(cluster.pk))  # type: ignore[attr-defined]
        return response

    def mail_update(self, request: Any) -> Response:
        """Change any of the nine mail keys; answers what is stored."""
        body = validated(MailUpdateInput, request.data)
        changes = {key: value for key, value in body.items() if key not in _CONTROL}
        cluster, headers = self._update(request, body, {"mail_setting": changes})
        mail = selectors.render_settings(cluster.pk, clear=self._sees_secrets(request))["mail_setting"]
        self._revealed(request, cluster.pk, {"mail_setting": mail})
        return ok(mail, **headers)

    def mail_test(self, request: Any) -> Response:
        """Send one mail now with the stored settings and the given ones; nothing is stored."""
        body = validated(MailTestInput, request.data)
        cluster = self.cluster(request, request.data)
        changes = {key: value for key, value in body.items() if key not in (*_CONTROL, "receiver_email")}
        delivery.send_test(cluster, changes, body["receiver_email"], self.gate(request).actor)
        return ok({})
