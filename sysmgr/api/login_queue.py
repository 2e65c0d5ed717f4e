"""When too many log-ins wait for their hash, the next are told so at the gate: before database and views."""

from __future__ import annotations

import threading
import time
from datetime import datetime

from django.http import HttpRequest
from django.utils import timezone

from settings_app.policy import Policy
from sysmgr import env
from sysmgr.accounts import hashing
from sysmgr.accounts.login import note_full_queue
from sysmgr.accounts.login_errors import HashQueueFull
from sysmgr.audit.services import Actor
from sysmgr.errors import SysmgrError, TooManyBodies

from . import bodies

LOGIN_PATH = "/v1/authentication/login"
FORM_PATH = "/admin/login/"  # each form holds a place among the bodies until its answer
_TRUSTED_SECONDS = 1.0  # so old may the policy be that this answer alone is given by; every door asks for the newest
# Who is refused is kept waiting a moment, or a client that asks again at once would take the processor from readers;
# but never on the last threads, which are everybody else's.
_PAUSE_SECONDS = 1.0
_pausing = threading.BoundedSemaphore(max(0, env.WEB_THREADS - hashing.MOST_WAITING - 1 - hashing.FREE_THREADS))
_policy: tuple[float, Policy] | None = None


def note(policy: Policy) -> None:
    """Keep what guards the doors, as it was just read."""
    global _policy
    _policy = (time.monotonic(), policy)


def refuse_if_full(request: HttpRequest, source: str, request_id: str, now: datetime | None = None) -> None:
    """Raise HashQueueFull or TooManyBodies where a log-in would wait, and the source may come in. No query."""
    if request.method != "POST" or (error := _refusal(request.path, source)) is None:
        return
    if _policy is None or time.monotonic() - _policy[0] > _TRUSTED_SECONDS:
        return  # the way through the gate says it, and reads the policy
    rules = _policy[1].rules
    if not rules.open and rules.refusal(source, now or timezone.now()) is not None:
        return  # access control is first: the gate refuses, with its trace
    note_full_queue(Actor("", "api" if request.path == LOGIN_PATH else "admin", source, request_id))
    if _pausing.acquire(blocking=False):
        try:
            time.sleep(_PAUSE_SECONDS)
        finally:
            _pausing.release()
    raise error


def _refusal(path: str, source: str) -> SysmgrError | None:
    if path not in (LOGIN_PATH, FORM_PATH):
        return None
    if hashing.is_full():
        return HashQueueFull(retry_after=hashing.RETRY_SECONDS)
    return TooManyBodies(retry_after=2) if path == FORM_PATH and bodies.is_full(source) else None
