"""The API door of operations: `/metrics` and the support bundle, which look into every app."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError
from django.http import FileResponse, HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.views.decorators.http import require_safe

from cluster import selectors
from cluster.views import ClusterViewSet
from sysmgr.api import credentials
from sysmgr.api.envelope import failure_headers
from sysmgr.api.fields import StrictSerializer, StrictUUIDField, validated
from sysmgr.api.gate import admit, session_admitted
from sysmgr.errors import NotAuthenticated, SysmgrError

from . import metrics, support_bundle


class SupportBundleInput(StrictSerializer):
    """`support_bundle/create`: without a cluster, all of them are meant."""

    cluster_uuid = StrictUUIDField(required=False)


class SupportBundleViewSet(ClusterViewSet):
    """`/v1/system/support_bundle/...`."""

    def create(self, request: Any) -> FileResponse:
        """Answer a new bundle as a tar.gz."""
        validated(SupportBundleInput, request.data)
        named = self.named_cluster(request, request.data)
        if named is not None:
            selectors.find(named)
        name, file = support_bundle.create(self.gate(request).actor, named)
        return FileResponse(file, as_attachment=True, filename=name, content_type="application/gzip")


@require_safe
def prometheus(request: HttpRequest) -> HttpResponse:
    """`/metrics`, for whoever has a token or an admin session; refusals are plain text."""
    try:
        with translation.override("en"):
            _admit(request)
        return HttpResponse(metrics.scrape(), content_type=metrics.CONTENT_TYPE)
    except SysmgrError as error:
        text, status, headers = error.text, error.status, failure_headers(error)
    except DatabaseError:
        text, status, headers = "The database does not answer.", 503, {}
    return HttpResponse(f"{text}\n", status=status, headers=headers, content_type="text/plain; charset=utf-8")


def _admit(request: HttpRequest) -> None:
    """Raise why the caller may not see metrics; any role may."""
    if credentials.shows_any(request):
        admit(request, request.gate, timezone.now())  # type: ignore[attr-defined]
    elif not session_admitted(request):
        raise NotAuthenticated
