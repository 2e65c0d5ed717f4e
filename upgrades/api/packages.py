"""The API door of the package store."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.http import HttpResponse
from rest_framework.response import Response

from cluster.models import Cluster
from cluster.views import ClusterViewSet
from sysmgr.api.envelope import ok
from sysmgr.api.fields import validated
from sysmgr.api.multipart import receive, require_form
from upgrades import listing, selectors, store_services
from upgrades.package_serializers import PackageInput
from upgrades.upload import QuarantineHandler


class PackageViewSet(ClusterViewSet):
    """`/v1/system/upgrade_package/...`."""

    def list(self, request: Any) -> HttpResponse:
        """Show packages and what each host runs and could run."""
        return HttpResponse(listing.rendered(self.read_cluster(request)), content_type="application/json")

    def current(self, request: Any) -> Response:
        """Show the package that the cluster runs."""
        return ok(selectors.current_package(self.read_cluster(request)))

    def inspect(self, request: Any) -> Response:
        """Show one package."""
        return ok(selectors.inspect_package(self.read_cluster(request), self.query(request, "package_name")))

    def verify(self, request: Any) -> Response:
        """Compare the store's file with what was taken in."""
        body, cluster = self._package(request)
        package = selectors.find_package(cluster.pk, body["package_name"])
        shown = selectors.inspected(package)
        findings = store_services.verify(cluster, package, self.gate(request).actor)
        return ok({**shown, "findings": [asdict(finding) for finding in findings]})

    def withdraw(self, request: Any) -> Response:
        """Let no new run use a package."""
        body, cluster = self._package(request)
        store_services.withdraw(cluster, body["package_name"], body["reason"], self.gate(request).actor)
        return ok({})

    def reinstate(self, request: Any) -> Response:
        """Let new runs use a package again."""
        body, cluster = self._package(request)
        store_services.reinstate(cluster, body["package_name"], body["reason"], self.gate(request).actor)
        return ok({})

    def remove(self, request: Any) -> Response:
        """Remove a package that no run under way uses."""
        body, cluster = self._package(request)
        store_services.remove(cluster, body["package_name"], body["reason"], self.gate(request).actor)
        return ok({})

    def _package(self, request: Any) -> tuple[dict[str, Any], Cluster]:
        body = validated(PackageInput, request.data)
        return body, self.cluster(request, request.data)

    def upload(self, request: Any) -> Response:
        """Take a package in from a multipart form: `file`, and the cluster in the form or the query."""
        plain = request._request
        require_form(plain)
        if "cluster_uuid" in request.query_params:
            self.read_cluster(request)  # an unknown one is refused before the body is read
        handler = QuarantineHandler(int(plain.META.get("CONTENT_LENGTH") or 0))
        try:
            form = receive(plain, self.gate(request).source, handler)
            assert handler.intake is not None
            package = handler.intake.finish(self.cluster(request, form), self.gate(request).actor)
        finally:
            handler.abort()
        return ok(selectors.five_keys(package))
