"""The gate: before every call it fetches credential, user and policy in one query and decides; pages it guards too."""

from __future__ import annotations

import ipaddress
import logging
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.urls import Resolver404, resolve
from django.utils import timezone, translation

from settings_app.access.ranges import parse_address, ranges_of
from settings_app.policy import SAFE, Policy
from sysmgr import env
from sysmgr.accounts import password_state, tokens
from sysmgr.accounts.login_errors import HashQueueFull
from sysmgr.accounts.models import ApiKey, Token, User
from sysmgr.audit.refusals import refuse
from sysmgr.audit.services import Actor
from sysmgr.errors import (
    BodyTooLarge,
    MalformedBody,
    PermissionDenied,
    SysmgrError,
    TokenExpired,
    TooManyBodies,
    UnsupportedMediaType,
)

from . import credentials, envelope, login_queue, proxies
from .bodies import receiving
from .gate_errors import AccessRefused, KeySourceRefused, PasswordMustChange
from .permissions import allowed
from .strict_json import MAX_BODY_BYTES, printable

log = logging.getLogger("sysmgr.access")
OPEN_PATHS = frozenset({login_queue.LOGIN_PATH})
# What a user can do whose password must be changed first (contract §3), and what ends the log-in.
CHANGE_PATHS = frozenset({"/v1/authentication/password/change", "/v1/authentication/logout"})
# Answered whoever asks: whether the process lives says nothing about the installation (contract §3).
FREE_PATHS = frozenset({"/healthz", "/readyz"})
UPLOAD_PATHS = frozenset({"/v1/system/upgrade_package/upload", "/v1/system/front_style/login_image/upload"})
TUS_PATH = "/v1/system/upgrade_package/tus"  # and /<uuid> below it: a body of another kind, which the view reads
METRICS_PATH = "/metrics"
# What takes back the changes whose deadline has passed, and says how many: `settings_app` adds it when it is ready.
overdue: list[Callable[[], int]] = []
_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)(?:%[^\]]*)?\]|([0-9.]+))(?::\d{1,5})?")
_FORWARDED_BYTES = 4096  # from the right: room for far more proxies than anybody has
# A token or an admin session: without a token the view looks at the session.
SESSION_PATHS = frozenset({"/v1/openapi.json", "/v1/docs"})


@dataclass
class Gate:
    """What the gate found out about a request; views read it, nobody asks the database again."""

    source: str
    request_id: str
    user: User | None = None
    token: Token | None = None
    key: ApiKey | None = None
    policy: Policy = SAFE
    cluster_uuid: uuid.UUID | None = None
    revision_key: uuid.UUID | None = None
    revision_number: int | None = None

    @property
    def default_uuid(self) -> uuid.UUID | None:
        """The cluster whose settings the doors obey; None before the first one is made."""
        return self.policy.cluster_uuid

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
    address = _plain(request.META.get("REMOTE_ADDR", ""))
    forwarded = request.headers.get("X-Forwarded-For", "")
    if address not in env.TRUSTED_PROXIES or not forwarded:
        return address
    for hop in reversed(forwarded[-_FORWARDED_BYTES:].split(",")):
        address = _plain(hop)  # what is no address is nobody's: a trusted proxy does not write it
        if address not in env.TRUSTED_PROXIES:
            break
    return address


def _plain(text: str) -> str:
    """Return an address in its usual form, without the port that some proxies add; empty for anything else."""
    match = _WITH_PORT.fullmatch(text.strip())
    try:
        address = ipaddress.ip_address((match[1] or match[2]) if match else text.strip().partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def pass_access_control(gate: Gate, policy: Policy, now: datetime, door: str, path: str) -> None:
    """Raise AccessRefused unless the source may come in now; the reason goes to the log and the audit only."""
    rule = None if policy.rules.open else policy.rules.refusal(gate.source, now)
    if rule is None:
        return
    log.warning("access refused to %s for %s: %s", gate.source or "an unknown address", printable(path), rule)
    refuse(Actor("", door, gate.source, gate.request_id), "access", rule)
    raise AccessRefused


def _find(request: HttpRequest) -> tuple[credentials.Found | None, credentials.Doors]:
    return credentials.find(credentials.presented(request), credentials.queried_cluster(request))


def _took_back(doors: credentials.Doors, now: datetime) -> bool:
    """Take back what nobody confirmed in time, before anybody obeys it; True: ask again what guards the doors."""
    return doors.pending is not None and doors.pending <= now and any(take_back() for take_back in overdue)


def admit(request: HttpRequest, gate: Gate, now: datetime) -> None:
    """Fill `gate` from the database, or raise why the call is refused."""
    try:
        found, doors = _find(request)
    except SysmgrError:
        enter(request, gate, now)  # access control is asked before anything is said about the credential
        if credentials.shows_any(request):
            refuse(gate.actor, "token", "neither a token nor a key")
        raise
    if _took_back(doors, now):
        found, doors = _find(request)
    pass_access_control(gate, doors.policy, now, "api", request.path)
    gate.policy = doors.policy
    if found is None or found.expired(doors.policy, now) or not found.user.is_active:
        name = found.user.user_name if found else ""
        refuse(Actor(name, "api", gate.source, gate.request_id), "token", "expired, ended or unknown")
        raise TokenExpired
    gate.user = found.user
    if isinstance(found.row, Token):
        gate.token = found.row
    else:
        gate.key = found.row
    _check(request, gate, now)
    gate.cluster_uuid = doors.cluster_uuid
    gate.revision_key, gate.revision_number = doors.revision_key, doors.revision_number
    tokens.touch(found.row, now)


def _check(request: HttpRequest, gate: Gate, now: datetime) -> None:
    """Raise why this user may not make this call with this credential."""
    user, key = gate.user, gate.key
    assert user is not None
    if key is not None and key.ranges and not ranges_of(tuple(key.ranges)).holds(parse_address(gate.source)):
        refuse(gate.actor, "key.source", f"key {key.pk}")
        raise KeySourceRefused
    restricted = key is None and password_state.must_change(user, gate.policy.password, now)
    if restricted and request.path not in CHANGE_PATHS:
        refuse(gate.actor, "password.must_change", called(request))
        raise PasswordMustChange
    if not allowed(user.role, request.method or "", request.path, key.role if key else None):
        refuse(gate.actor, "call", called(request))
        raise PermissionDenied


def called(request: HttpRequest) -> str:
    """Return what was called, as the audit names it: one of few, whatever somebody makes up."""
    try:
        return f"{request.method} /{resolve(request.path_info).route}"
    except Resolver404:
        return "an unknown path"


def enter(request: HttpRequest, gate: Gate, now: datetime, door: str = "api") -> None:
    """Ask access control only, where no credential is needed or the session has it. Raises AccessRefused."""
    doors = credentials.doors()
    if _took_back(doors, now):
        doors = credentials.doors()
    gate.policy = doors.policy
    login_queue.note(doors.policy)
    pass_access_control(gate, doors.policy, now, door, request.path)


def session_admitted(request: HttpRequest) -> bool:
    """Tell whether an admin session asks that may see more than the page which changes a password."""
    user, gate = request.user, getattr(request, "gate", None)
    if not (isinstance(user, User) and user.is_active and gate is not None):
        return False
    return not password_state.must_change(user, gate.policy.password, timezone.now())


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


def _view_admits(request: HttpRequest) -> bool:
    scraping = request.path == METRICS_PATH and request.method in ("GET", "HEAD")
    return scraping and credentials.shows_any(request)


class GateMiddleware:
    """Stands before every path: under /v1/ it decides all, for pages access control; sessions are Django's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Let the request in, or answer with the refusal's envelope."""
        if request.path in FREE_PATHS:
            return self.get_response(request)
        gate = Gate(client_address(request), getattr(request, "request_id", ""))
        request.gate = gate  # type: ignore[attr-defined]
        proxies.note(request, _plain(request.META.get("REMOTE_ADDR", "")))
        if not request.path.startswith("/v1/"):
            return self._page(request, gate)
        # API texts come in both languages at once, whatever Accept-Language says.
        with translation.override("en"):
            try:
                if request.path not in UPLOAD_PATHS and not _is_tus(request):
                    read_body(request, gate.source)
                login_queue.refuse_if_full(request, gate.source, gate.request_id)
                session = request.path in SESSION_PATHS and not credentials.shows_any(request)
                if request.path in OPEN_PATHS or session:
                    enter(request, gate, timezone.now())
                else:
                    admit(request, gate, timezone.now())
            except SysmgrError as error:
                response = envelope.failure_response(error)
                if _is_tus(request):
                    response["Tus-Resumable"] = "1.0.0"  # the protocol wants it in each answer
                return response
            request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
            return self.get_response(request)

    def _page(self, request: HttpRequest, gate: Gate) -> HttpResponse:
        """Answer outside the API; a form may stall like any body, so it holds a place until its answer."""
        try:
            login_queue.refuse_if_full(request, gate.source, gate.request_id)
            if not _view_admits(request):
                enter(request, gate, timezone.now(), "admin")
            if request.method in ("GET", "HEAD"):
                return self.get_response(request)
            with receiving(gate.source):
                return self.get_response(request)
        except (AccessRefused, HashQueueFull, TooManyBodies) as error:
            headers = envelope.failure_headers(error)
            return HttpResponse(error.text, status=error.status, headers=headers, content_type="text/plain")
