"""The gate: before every API call it reads the body, fetches token, user and policy in one query, decides."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError, connection
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
    TooManyBodies,
    UnsupportedMediaType,
)

from . import envelope
from .bodies import receiving
from .compiled import Compiled
from .fields import StrictUUIDField
from .permissions import allowed
from .strict_json import MAX_BODY_BYTES

OPEN_PATHS = frozenset({"/v1/authentication/login"})
UPLOAD_PATHS = frozenset({"/v1/system/upgrade_package/upload", "/v1/system/front_style/login_image/upload"})
TUS_PATH = "/v1/system/upgrade_package/tus"  # and /<uuid> below it: a body of another kind, which the view reads
# A token or an admin session: without a token the view looks at the session.
SESSION_PATHS = frozenset({"/v1/openapi.json", "/v1/docs"})


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
        user, token = self.user, self.token
        return Actor(
            user.user_name if user else "",
            "api",
            self.source,
            self.request_id,
            user_uuid=user.pk if user else None,
            token_uuid=token.pk if token else None,
        )


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


_TOKEN = [field.attname for field in Token._meta.concrete_fields]
_USER = [field.attname for field in User._meta.concrete_fields]


def _with_policy(digest: str, queried: uuid.UUID | None = None) -> QuerySet[Token, Any]:
    """Token, user, default cluster, queried cluster and the newest revision of the latter: one SQL for all."""
    wanted = Q(pk=queried) if queried else Q(default=True)
    cluster = Cluster.objects.filter(wanted).values("pk")[:1]
    newest = newest_revision("cluster_uuid")
    rows = Token.objects.filter(digest=digest).annotate(
        default_uuid=Subquery(Cluster.objects.filter(default=True).values("pk")[:1]),
        cluster_uuid=Subquery(cluster),
    )
    rows = rows.annotate(
        revision_key=Subquery(newest.values("key")[:1]), revision_number=Subquery(newest.values("number")[:1])
    )
    policy = ("default_uuid", "cluster_uuid", "revision_key", "revision_number")
    return rows.values_list(*_TOKEN, *(f"user__{name}" for name in _USER), *policy)


_of_default = Compiled(_with_policy, "the digest")
_of_queried = Compiled(_with_policy, "the digest", uuid.UUID(int=1))


def _fetch(clear: str, queried: uuid.UUID | None) -> list[Any] | None:
    """Run the one SQL; on a connection kept from before that broke meanwhile, once more on a new one."""
    query, values = (_of_queried, (queried,)) if queried else (_of_default, ())
    kept = connection.connection is not None and not connection.in_atomic_block
    connection.health_check_done = True  # type: ignore[attr-defined]  # this query is the check: asking twice would double what a read costs
    try:
        return query.first(tokens.digest(clear), *values)
    except (OperationalError, InterfaceError):
        if not kept:
            raise
        connection.close()
        return query.first(tokens.digest(clear), *values)


def admit(request: HttpRequest, gate: Gate, now: datetime) -> None:
    """Fill `gate` from the database, or raise why the call is refused."""
    row = _fetch(bearer(request), _queried_cluster(request))
    if row is None:
        raise TokenExpired
    token = Token.from_db(connection.alias, _TOKEN, row[: len(_TOKEN)])
    user = User.from_db(connection.alias, _USER, row[len(_TOKEN) : -4])
    token.user = user
    if token.expire_time <= now or not user.is_active:
        raise TokenExpired
    if not allowed(user.role, request.method or "", request.path):
        raise PermissionDenied
    gate.user, gate.token = user, token
    gate.default_uuid, gate.cluster_uuid, gate.revision_key, gate.revision_number = row[-4:]
    tokens.touch(token, now)


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
    if request.method != "POST":
        return False
    try:
        actions: dict[str, str] = getattr(resolve(request.path_info).func, "actions", {})
    except Resolver404:
        return False
    return "post" in actions


def _is_tus(request: HttpRequest) -> bool:
    return request.path == TUS_PATH or request.path.startswith(f"{TUS_PATH}/")


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
            return self._page(request)
        gate = Gate(client_address(request), getattr(request, "request_id", ""))
        request.gate = gate  # type: ignore[attr-defined]
        # API texts come in both languages at once, whatever Accept-Language says.
        with translation.override("en"):
            try:
                if request.path not in UPLOAD_PATHS and not _is_tus(request):
                    read_body(request, gate.source)
                session = request.path in SESSION_PATHS and "Authorization" not in request.headers
                if request.path not in OPEN_PATHS and not session:
                    admit(request, gate, timezone.now())
            except SysmgrError as error:
                response = envelope.failure_response(error)
                if _is_tus(request):
                    response["Tus-Resumable"] = "1.0.0"  # the protocol wants it in each answer
                return response
            request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
            return self.get_response(request)

    def _page(self, request: HttpRequest) -> HttpResponse:
        """Answer outside the API; a form may stall like any body, so it holds a place until its answer."""
        if request.method in ("GET", "HEAD"):
            return self.get_response(request)
        try:
            with receiving(client_address(request)):
                return self.get_response(request)
        except TooManyBodies as error:
            headers = envelope.failure_headers(error)
            return HttpResponse(error.text, status=error.status, headers=headers, content_type="text/plain")
