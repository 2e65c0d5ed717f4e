"""The API door of the audit: to read, to take along and to verify; nothing here changes it."""

from __future__ import annotations

import time
from typing import Any

from django.http import StreamingHttpResponse
from rest_framework.response import Response

from sysmgr.api.envelope import ok
from sysmgr.api.paging import page_of
from sysmgr.api.views import ApiViewSet, query_text
from sysmgr.errors import InvalidInput, Problem

from . import chain, selectors

LATEST = 253402214400  # the last day of the year 9999
DOORS = ("api", "admin", "link", "command", "system")
_KINDS = {"csv": (selectors.as_csv, "text/csv; charset=utf-8"), "json": (selectors.as_json, "application/json")}


class AuditViewSet(ApiViewSet):
    """`/v1/system/audit/...`."""

    def list(self, request: Any) -> Response:
        """List rows, newest first."""
        return ok(selectors.audit_list(self._filter(request), page_of(self, request)))

    def export(self, request: Any) -> StreamingHttpResponse:
        """Stream rows, oldest first, as CSV or JSON with their digests."""
        kind = request.query_params.get("format", "json")
        if kind not in _KINDS:
            raise InvalidInput([Problem("format", "must be csv or json", "必须是 csv 或 json")])
        rows, content_type = _KINDS[kind]
        name = f"sysmgr-audit-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.{kind}"
        response = StreamingHttpResponse(rows(self._filter(request)), content_type=content_type)
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    def verify(self, request: Any) -> Response:
        """Compute every digest anew."""
        return ok(chain.verify().facts())

    def _filter(self, request: Any) -> selectors.Filter:
        query = request.query_params
        texts = {
            name: query_text(query.get(name, ""), name) for name in ("user_name", "action", "object", "result", "door")
        }
        if texts["door"] and texts["door"] not in DOORS:
            listed = ", ".join(DOORS)
            raise InvalidInput([Problem("door", f"must be one of {listed}", f"必须是以下之一：{listed}")])
        begin = self.number(request, "from", 0, 0, LATEST) if "from" in query else None
        end = self.number(request, "to", 0, 0, LATEST) if "to" in query else None
        return selectors.Filter(begin, end, **texts)
