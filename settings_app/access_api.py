"""The API door of access control: would this address be let in, by which rule, and until when."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cluster.views import ClusterViewSet
from sysmgr.api.envelope import ok
from sysmgr.api.strict_json import printable
from sysmgr.errors import InvalidInput, Problem

from .access.policy_hooks import LATEST, instant
from .access.ranges import parse_address
from .policy import read_policy


class AccessControlViewSet(ClusterViewSet):
    """`/v1/system/access_control/...`."""

    def explain(self, request: Any) -> Response:
        """Answer for any address and time; `enforced` is false where the doors obey another cluster. Queries: one."""
        cluster_uuid = self.read_cluster(request)
        address = self.query(request, "address").strip()
        if parse_address(address) is None:
            raise InvalidInput([Problem("address", f"{printable(address)} is no IP address", "不是有效的 IP 地址")])
        now = int(timezone.now().timestamp())
        moment = instant(self.number(request, "time", now, 0, LATEST))
        decision = read_policy(cluster_uuid).rules.decide(address, moment)
        return ok(
            {
                "allowed": decision.allowed,
                "rule": decision.rule,
                "until": int(decision.until.timestamp()) if decision.until else None,
                "enforced": cluster_uuid == self.gate(request).default_uuid,
            }
        )
