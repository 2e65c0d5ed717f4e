"""The API door of the cluster app: version and members; and the two health checks."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from rest_framework.response import Response

from sysmgr.api.envelope import ok, version_ok
from sysmgr.api.views import ApiViewSet
from sysmgr.build import version_line

from .members import leader_known, member_list

_migrated = False


class SystemViewSet(ApiViewSet):
    """`/v1/system/version` and `/v1/system/member/list`."""

    def version(self, request: Any) -> Response:
        """Tell what was built."""
        return version_ok({"version": version_line()})

    def members(self, request: Any) -> Response:
        """Tell who leads and who could."""
        return ok(member_list())


@csrf_exempt
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while the process answers."""
    return JsonResponse({"status": "ok"})


@csrf_exempt
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 once migrated, while the database answers and a leader is known; else 503 with what is missing."""
    missing = _missing()
    return JsonResponse(
        {"status": "waiting", "missing": missing} if missing else {"status": "ready"},
        status=503 if missing else 200,
    )


def _missing() -> str:
    global _migrated
    try:
        if not _migrated:
            executor = MigrationExecutor(connection)
            _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        if not _migrated:
            return "migrations"
        return "" if leader_known() else "leader"
    except DatabaseError:
        return "database"
