"""The gate: before every API call it reads the body, fetches token, user and policy in one query, decides."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.urls import Resolver404, resolve
from django.utils import timezone, translation

from cluster.models import Cluster
from settings_app.selectors import newest_revision
from sysmgr import env
from sysmgr.accounts import tokens
from sysmgr.accounts.models import Token, User
from sysmgr.audit.services import Actor
from sysmgr.errors import (
    BodyTooLarge,
    MalformedBody,
    NotAuthenticated,
    PermissionDenied,
    SysmgrError,
    TokenExpired,
    UnsupportedMediaType,
)

from . import envelope
from .bodies import receiving
from .fields import StrictUUIDField
from .permissions import allowed
from .strict_json import MAX_BODY_BYTES

OPEN_PATHS = frozenset({"/v1/authentication/login"})
UPLOAD_PATHS = frozenset({"/v1/system/upgrade_package/upload"})


@dataclass
class Gate:
    """What the gate found out about a request; views read it, nobody asks the database again."""

    source: str
    request_id: str
    user: User | None = None
    token: Token | None = None
    default_uuid: uuid.UUID | None = None
    cluster_uuid: uuid.UUID | None = None
    revision_key: uuid.UUID | None = None
    revision_number: int | None = None

    @property
    def actor(self) -> Actor:
        """Who acts, for revisions, events and audit."""
        return Actor(self.user.user_name if self.user else "", "api", self.source, self.request_id)


def client_address(request: HttpRequest) -> str:
    """Return the peer's address, or the rightmost forwarded one that is no trusted proxy; IPv4-mapped as IPv4."""
    chain = [*request.headers.get("X-Forwarded-For", "").split(","), request.META.get("REMOTE_ADDR", "")]
    address = _plain(chain[-1])
    for hop in reversed(chain):
        address = _plain(hop) or address
        if address not in env.TRUSTED_PROXIES:
            break
    return address


def _plain(text: str) -> str:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def bearer(request: HttpRequest) -> str:
    """Return the token of the Authorization header, or raise NotAuthenticated."""
    scheme, _, clear = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not clear.strip() or len(clear) > 512:
        raise NotAuthenticated
    return clear.strip()


def _queried_cluster(request: HttpRequest) -> uuid.UUID | None:
    return StrictUUIDField.parse(request.GET.get("cluster_uuid"))


def _with_policy(rows: QuerySet[Token], queried: uuid.UUID | None) -> QuerySet[Token]:
    """Annotate default cluster, queried cluster and the newest revision of the latter: one SQL for all."""
    wanted = Q(pk=queried) if queried else Q(default=True)
    cluster = Cluster.objects.filter(wanted).values("pk")[:1]
    newest = newest_revision("cluster_uuid")
    return rows.annotate(
        default_uuid=Subquery(Cluster.objects.filter(default=True).values("pk")[:1]),
        cluster_uuid=Subquery(cluster),
    ).annotate(revision_key=Subquery(newest.values("key")[:1]), revision_number=Subquery(newest.values("number")[:1]))


def admit(request: HttpRequest, gate: Gate, now: datetime) -> None:
    """Fill `gate` from the database, or raise why the call is refused."""
    row: Any = _with_policy(tokens.find(bearer(request)), _queried_cluster(request)).first()
    if row is None:
        raise TokenExpired
    if row.expire_time <= now or not row.user.is_active:
        raise TokenExpired
    if not allowed(row.user.role, request.method or "", request.path):
        raise PermissionDenied
    gate.user, gate.token = row.user, row
    gate.default_uuid = row.default_uuid
    gate.cluster_uuid, gate.revision_key = row.cluster_uuid, row.revision_key
    gate.revision_number = row.revision_number
    tokens.touch(row, now)


def read_body(request: HttpRequest, source: str) -> None:
    """Read a JSON body before the first query; raise 413 or 415. The result stays in `request.body`."""
    if not _takes_body(request):
        return  # no such path or method: that is what the answer says, whatever the body is
    if request.headers.get("Transfer-Encoding"):
        raise MalformedBody(reason="it has no Content-Length", reason_cn="缺少 Content-Length")
    if not int(request.META.get("CONTENT_LENGTH") or 0):
        raise MalformedBody(reason="it is empty", reason_cn="请求体为空")
    if request.headers.get("Content-Encoding") or not _is_json(request):
        raise UnsupportedMediaType(expected="application/json")
    if int(request.META["CONTENT_LENGTH"]) > MAX_BODY_BYTES:
        raise BodyTooLarge(limit=MAX_BODY_BYTES)
    try:
        with receiving(source):
            _ = request.body
    except UnreadablePostError:
        raise MalformedBody(reason="it was cut", reason_cn="请求体不完整") from None


def _takes_body(request: HttpRequest) -> bool:
    try:
        actions: dict[str, str] = getattr(resolve(request.path_info).func, "actions", {})
    except Resolver404:
        return False
    return request.method == "POST" and "post" in actions


def _is_json(request: HttpRequest) -> bool:
    charset = (request.content_params or {}).get("charset", "utf-8").strip("\"'").lower()
    return request.content_type == "application/json" and charset in ("utf-8", "utf8")


class GateMiddleware:
    """Stands before every path under /v1/; the admin has Django's own session behind its own pages."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Let the request in, or answer with the refusal's envelope."""
        if not request.path.startswith("/v1/"):
            return self.get_response(request)
        gate = Gate(client_address(request), getattr(request, "request_id", ""))
        request.gate = gate  # type: ignore[attr-defined]
        # API texts come in both languages at once, whatever Accept-Language says.
        with translation.override("en"):
            try:
                if request.path not in UPLOAD_PATHS:
                    read_body(request, gate.source)
                if request.path not in OPEN_PATHS:
                    admit(request, gate, timezone.now())
            except SysmgrError as error:
                return envelope.failure_response(error)
            request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
            return self.get_response(request)
