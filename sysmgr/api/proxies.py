"""Peers that name a client in X-Forwarded-For without being a trusted proxy: ignored, but somebody should know."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

from django.db import DatabaseError
from django.http import HttpRequest
from django.utils import timezone

from sysmgr import env
from sysmgr.audit.refusals import refuse
from sysmgr.audit.services import Actor
from sysmgr.events.alerts import Trouble, clear_alert, raise_alert
from sysmgr.events.models import Alert

ALERT = "gate.untrusted_proxy"
FORGET_AFTER = timedelta(days=1)
_EVERY_SECONDS = 60.0
_next = 0.0
_lock = threading.Lock()


def note(request: HttpRequest, peer: str) -> None:
    """Open the alert that names the peer, at most once a minute in a process, whoever sends the header."""
    global _next
    if peer in env.TRUSTED_PROXIES or not request.headers.get("X-Forwarded-For"):
        return
    with _lock:
        if time.monotonic() < _next:
            return
        _next = time.monotonic() + _EVERY_SECONDS
    try:
        raise_alert(ALERT, trouble(peer))
        refuse(Actor("", "api", peer, getattr(request, "request_id", "")), "forwarded", "X-Forwarded-For is ignored")
    except DatabaseError:
        return  # the request itself will say that the database is gone


def trouble(peer: str) -> Trouble:
    """Return what the alert says."""
    peer = peer or "a peer without an address"
    return Trouble(
        f"{peer} sends X-Forwarded-For and is no trusted proxy: the header is ignored, and all of its clients count as "
        "one address. If it is your proxy, add it to SYSMGR_TRUSTED_PROXIES; if not, somebody forges addresses.",
        f"{peer} 发送了 X-Forwarded-For，但不是受信任的代理：该头被忽略，其所有客户端视为同一地址。"
        "若是您的代理，请加入 SYSMGR_TRUSTED_PROXIES；否则有人在伪造地址。",
    )


def forget() -> None:
    """Close the alert once nobody sent the header for a day."""
    if Alert.objects.filter(key=ALERT, close_time=None, last_time__lt=timezone.now() - FORGET_AFTER).exists():
        clear_alert(ALERT)
